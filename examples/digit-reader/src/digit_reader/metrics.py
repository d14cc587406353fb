"""How good predictions are. The gate reads the names below from config/base.yml."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

PREFIX = "probability_"
BINS = 10


def evaluate(actual: pd.Series, predicted: pd.DataFrame) -> dict[str, float]:
    """Metrics over n rows, for two classes or more.

    Args:
        actual: the true labels.
        predicted: `prediction`, and `probability_<class>` for each class.

    Returns:
        accuracy, f1 (mean over the classes), roc_auc (each class against the rest, mean), log_loss and
        expected_calibration_error. f1 and roc_auc are not a number where the rows hold one class only, as in a slice
        by label.
    """
    labels = classes(predicted)
    probabilities = predicted[[PREFIX + label for label in labels]].to_numpy()
    return {
        "accuracy": float(accuracy_score(actual, predicted["prediction"])),
        "f1": _f1(actual, predicted["prediction"]),
        "roc_auc": _roc_auc(actual, probabilities, labels),
        "log_loss": float(log_loss(actual, probabilities, labels=labels)),
        "expected_calibration_error": expected_calibration_error(actual, predicted),
    }


def row_losses(actual: pd.Series, predicted: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The loss of each row, lower is better: 1 for a wrong label, 0 for the right one. The gate compares these."""
    return np.asarray(predicted["prediction"].to_numpy() != actual.to_numpy(), dtype=float)


def classes(predicted: pd.DataFrame) -> list[str]:
    """The labels that the model knows, in the order of its probability columns."""
    return [str(name).removeprefix(PREFIX) for name in predicted if str(name).startswith(PREFIX)]


def confidence(predicted: pd.DataFrame) -> pd.Series:
    """The probability of the predicted label, which is the highest of its row."""
    return predicted[[PREFIX + label for label in classes(predicted)]].max(axis=1)


def calibration(actual: pd.Series, predicted: pd.DataFrame) -> pd.DataFrame:
    """What the model claims and what is true, in bins of equal width by its confidence; bins without rows are left out.

    Returns:
        One row a bin: `rows`, mean `confidence`, `accuracy`.
    """
    claimed = confidence(predicted)
    bins = (claimed * BINS).astype(int).clip(upper=BINS - 1)
    table = pd.DataFrame({"rows": 1, "confidence": claimed, "accuracy": 1 - row_losses(actual, predicted)})
    return table.groupby(bins).agg({"rows": "sum", "confidence": "mean", "accuracy": "mean"}).reset_index(drop=True)


def expected_calibration_error(actual: pd.Series, predicted: pd.DataFrame) -> float:
    """The expected calibration error: how far the accuracy is from the confidence, on average over the rows.

    Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks (2017), equation 3.
    """
    bins = calibration(actual, predicted)
    return float(np.average((bins["accuracy"] - bins["confidence"]).abs(), weights=bins["rows"]))


def _f1(actual: pd.Series, labels: pd.Series) -> float:
    if actual.nunique() < 2:
        return float("nan")
    return float(f1_score(actual, labels, average="macro", zero_division=0))


def _roc_auc(actual: pd.Series, probabilities: npt.NDArray[np.float64], labels: list[str]) -> float:
    if actual.nunique() < 2:
        return float("nan")
    present = [position for position, label in enumerate(labels) if (actual == label).any()]
    areas = [roc_auc_score(actual == labels[position], probabilities[:, position]) for position in present]
    return float(np.mean(areas))
