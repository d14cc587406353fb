"""How good predictions are. The gate reads the names below from config/base.yml."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error


def evaluate(actual: pd.Series, predicted: pd.DataFrame) -> dict[str, float]:
    """Metrics over n rows.

    Args:
        actual: the true values.
        predicted: `prediction`.

    Returns:
        mae and rmse in the target's unit, and r2, which is not a number for fewer than two rows.
    """
    values = predicted["prediction"]
    return {
        "mae": float(mean_absolute_error(actual, values)),
        "rmse": float(root_mean_squared_error(actual, values)),
        "r2": float(r2_score(actual, values)) if len(actual) > 1 else float("nan"),
    }


def row_losses(actual: pd.Series, predicted: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The loss of each row, lower is better: the absolute error. The gate compares these."""
    return np.asarray((predicted["prediction"] - actual.to_numpy()).abs(), dtype=float)
