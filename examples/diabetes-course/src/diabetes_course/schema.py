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
TARGET = "progression"
SEXES = ("code_1", "code_2")

# The range of values that a row may hold, in the units of the source.
RANGES = {
    "age": (0, 120),
    "bmi": (10, 80),
    "blood_pressure": (30, 200),
    "total_cholesterol": (50, 500),
    "ldl": (10, 400),
    "hdl": (5, 200),
    "cholesterol_ratio": (1, 20),
    "log_triglycerides": (1, 10),
    "glucose": (30, 500),
}
MEASUREMENTS = list(RANGES)

# A row to predict for.
INPUTS = pa.DataFrameSchema(
    {
        ID: pa.Column(str, unique=True, report_duplicates="exclude_first"),
        "sex": pa.Column(str, pa.Check.isin(SEXES)),
        **{name: pa.Column(float, pa.Check.in_range(*limits)) for name, limits in RANGES.items()},
    },
    coerce=True,
    strict="filter",
)

# A row to learn from.
ROWS = pa.DataFrameSchema(
    {**INPUTS.columns, TARGET: pa.Column(float, pa.Check.ge(0))},
    checks=[pa.Check(lambda rows: rows[TARGET].nunique() > 1, error=f"{TARGET} has one value only")],
    coerce=True,
    strict="filter",
)


def inputs(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns that the model sees, of n checked rows."""
    return rows[["sex", *MEASUREMENTS]]


def slices(rows: pd.DataFrame) -> pd.DataFrame:
    """A column for each way of slicing n checked rows, holding each row's label."""
    age = pd.cut(rows["age"], [0, 40, 55, 120], labels=["to 40", "41 to 55", "over 55"])
    return pd.DataFrame({"sex": rows["sex"], "age": age.astype(str)})
