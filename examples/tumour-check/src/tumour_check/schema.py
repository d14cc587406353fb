"""What a row is. Training, scoring and monitoring all meet this same check at the door.

A row that breaks a rule about rows is set aside with its reason; a table that breaks a rule about tables (the
`checks` at the end) stops the step.
"""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pa

ID = "patient_id"
# Rows of one group are never on both sides of a split.
GROUP = "patient_id"
# Name a column of moments, and set prepare.split to time, when the model predicts the future.
TIME: str | None = None
TARGET = "diagnosis"
CLASSES = ("benign", "malignant")
SIZES = ("small", "medium", "large")

MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave_points",
    "symmetry",
    "fractal_dimension",
)
# Of each measure: the mean over the nuclei, its standard error, and the mean of the three largest.
MEASUREMENTS = [form.format(name) for form in ("mean_{}", "{}_error", "worst_{}") for name in MEASURES]

# A row to predict for.
INPUTS = pa.DataFrameSchema(
    {
        ID: pa.Column(str, unique=True, report_duplicates="exclude_first"),
        "size": pa.Column(str, pa.Check.isin(SIZES)),
        **{name: pa.Column(float, pa.Check.in_range(0, 10_000)) for name in MEASUREMENTS},
    },
    coerce=True,
    strict="filter",
)

# A row to learn from.
ROWS = pa.DataFrameSchema(
    {**INPUTS.columns, TARGET: pa.Column(str, pa.Check.isin(CLASSES))},
    checks=[pa.Check(lambda rows: rows[TARGET].nunique() > 1, error=f"{TARGET} has one class only")],
    coerce=True,
    strict="filter",
)


def inputs(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns that the model sees, of n checked rows."""
    return rows[["size", *MEASUREMENTS]]


def slices(rows: pd.DataFrame) -> pd.DataFrame:
    """A column for each way of slicing n checked rows, holding each row's label."""
    return rows[["size"]]
