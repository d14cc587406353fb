"""Real rows to start with: the Wisconsin diagnostic breast cancer data that ships inside scikit-learn.

569 tumours, 30 measurements each of the cell nuclei seen in an aspirate (Street, Wolberg and Mangasarian,
1993). The data has neither an identifier nor a category, so `patient_id` numbers the rows, and `size` puts
the mean radius into three bands; they show how a project handles such columns.
"""

from __future__ import annotations

import pandas as pd
from sklearn.datasets import load_breast_cancer

# Mean radius, in the units of the source: about a third of the tumours in each band.
SIZE_EDGES = (0.0, 12.3, 14.8, 100.0)
SIZES = ("small", "medium", "large")


def rows() -> pd.DataFrame:
    """569 raw rows: patient_id, 30 measurements, size, diagnosis."""
    data = load_breast_cancer(as_frame=True)
    measurements: pd.DataFrame = data.data.rename(columns=lambda name: name.replace(" ", "_"))
    size = pd.cut(measurements["mean_radius"], SIZE_EDGES, labels=SIZES).astype(str)
    diagnosis = data.target.map(dict(enumerate(data.target_names)))
    identifiers = [f"P{number:04d}" for number in range(1, len(measurements) + 1)]
    frame: pd.DataFrame = measurements.assign(size=size, diagnosis=diagnosis)
    frame.insert(0, "patient_id", identifiers)
    return frame
