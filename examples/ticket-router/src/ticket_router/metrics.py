"""How good predictions are. The gate reads the names below from config/base.yml."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score, log_loss

PREFIX = "probability_"
BINS = 10

Floats = npt.NDArray[np.float64]


def evaluate(actual: pd.Series, predicted: pd.DataFrame) -> dict[str, float]:
    """Metrics over n rows, for two classes or more.

    Args:
        actual: the true labels.
        predicted: `prediction`, and `probability_<class>` for each class.

    Returns:
        accuracy, f1 (mean over the classes that occur), log_loss and expected_calibration_error.
    """
    # log_loss takes the columns in the order of the alphabet, whatever order the labels are given in.
    labels = sorted(classes(predicted))
    probabilities = predicted[[PREFIX + label for label in labels]].to_numpy(float)
    bins = calibration(actual, predicted)
    return {
        "accuracy": float(accuracy_score(actual, predicted["prediction"])),
        "f1": float(f1_score(actual, predicted["prediction"], average="macro", zero_division=0)),
        "log_loss": float(log_loss(actual, probabilities, labels=labels)),
        "expected_calibration_error": float(
            np.average((bins["accuracy"] - bins["confidence"]).abs(), weights=bins["rows"])
        ),
    }


def row_losses(actual: pd.Series, predicted: pd.DataFrame) -> Floats:
    """The loss of each row, lower is better: 1 for a wrong label, 0 for the right one. The gate compares these."""
    return np.asarray(predicted["prediction"].to_numpy() != actual.to_numpy(), dtype=float)


def classes(predicted: pd.DataFrame) -> list[str]:
    """The labels that the model knows, in the order of its probability columns."""
    return [str(name).removeprefix(PREFIX) for name in predicted if str(name).startswith(PREFIX)]


def confidence(predicted: pd.DataFrame) -> Floats:
    """The probability of what is predicted, for each row."""
    return np.asarray(predicted[[PREFIX + label for label in classes(predicted)]].max(axis=1), dtype=float)


def calibration(actual: pd.Series, predicted: pd.DataFrame) -> pd.DataFrame:
    """Whether a model is as often right as it says, in bins of equally many rows.

    Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (2017). Bins of equal mass
    instead of equal width (Nixon et al., Measuring Calibration in Deep Learning, 2019): a good model is sure of most
    rows, so bins of equal width would be nearly empty but for the last.

    Returns:
        A row a bin, least confident first: `rows`, and their mean `confidence` and `accuracy`.
    """
    sure, right = confidence(predicted), 1 - row_losses(actual, predicted)
    parts = np.array_split(np.argsort(sure, kind="stable"), min(BINS, len(sure)))
    return pd.DataFrame(
        {
            "rows": [len(part) for part in parts],
            "confidence": [sure[part].mean() for part in parts],
            "accuracy": [right[part].mean() for part in parts],
        }
    )
