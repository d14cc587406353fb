"""From a checked row to numbers. All of it becomes a part of the model, so training and serving cannot disagree."""

from __future__ import annotations

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from .schema import MEASUREMENTS, MEASURES, SIZES

SPREADS = [f"{name}_spread" for name in MEASURES]


def with_spreads(rows: pd.DataFrame) -> pd.DataFrame:
    """Add, for each measure, how far the worst nuclei are from the mean one. Not a number stays so."""
    worst, mean = (rows[[form.format(name) for name in MEASURES]].to_numpy() for form in ("worst_{}", "mean_{}"))
    return pd.concat([rows, pd.DataFrame(worst - mean, rows.index, SPREADS)], axis=1)


def build() -> Pipeline:
    """An unfitted transformer from a frame of inputs to an array of numbers."""
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), [*MEASUREMENTS, *SPREADS]),
            ("size", OneHotEncoder(categories=[list(SIZES)], handle_unknown="ignore", sparse_output=False), ["size"]),
        ]
    )
    return Pipeline([("spreads", FunctionTransformer(with_spreads)), ("columns", columns)])
