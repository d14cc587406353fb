"""From a checked row to numbers. All of it becomes a part of the model, so training and serving cannot disagree."""

from __future__ import annotations

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from .schema import MEASUREMENTS, SEXES

INTERACTION = "bmi_times_blood_pressure"


def with_interaction(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the product of body mass index and blood pressure. Not a number stays so."""
    return rows.assign(**{INTERACTION: rows["bmi"] * rows["blood_pressure"]})


def build() -> Pipeline:
    """An unfitted transformer from a frame of inputs to an array of numbers."""
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), [*MEASUREMENTS, INTERACTION]),
            ("sex", OneHotEncoder(categories=[list(SEXES)], handle_unknown="ignore", sparse_output=False), ["sex"]),
        ]
    )
    return Pipeline([("interaction", FunctionTransformer(with_interaction)), ("columns", columns)])
