"""Real rows to start with: the diabetes data that ships inside scikit-learn.

442 patients, ten measurements each, and how far their disease had progressed a year later, as a score from 25
to 346 (Efron, Hastie, Johnstone and Tibshirani, Least Angle Regression, 2004). The data has no identifier, so
`patient_id` numbers the rows.
"""

from __future__ import annotations

import pandas as pd
from sklearn.datasets import load_diabetes

NAMES = {
    "bp": "blood_pressure",
    "s1": "total_cholesterol",
    "s2": "ldl",
    "s3": "hdl",
    "s4": "cholesterol_ratio",
    "s5": "log_triglycerides",
    "s6": "glucose",
}


def rows() -> pd.DataFrame:
    """442 raw rows: patient_id, ten measurements in the units of the source, progression."""
    data = load_diabetes(as_frame=True, scaled=False)
    # The source codes the sex as 1 and 2 without saying which is which.
    measurements = data.data.rename(columns=NAMES)
    measurements["sex"] = "code_" + measurements["sex"].astype(int).astype(str)
    identifiers = [f"P{number:04d}" for number in range(1, len(measurements) + 1)]
    frame: pd.DataFrame = measurements.assign(progression=data.target)
    frame.insert(0, "patient_id", identifiers)
    return frame
