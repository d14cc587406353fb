"""How good predictions are. The gate reads the names below from config/base.yml."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

PREFIX = "probability_"


def evaluate(actual: pd.Series, predicted: pd.DataFrame) -> dict[str, float]:
    """Metrics over n rows, for two classes or more.

    Args:
        actual: the true labels.
        predicted: `prediction`, and `probability_<class>` for each class.

    Returns:
        accuracy, f1 (mean over the classes), roc_auc (each class against the rest, mean) and log_loss. roc_auc
        is not a number where the rows hold one class only.
    """
    labels = classes(predicted)
    probabilities = predicted[[PREFIX + label for label in labels]].to_numpy()
    return {
        "accuracy": float(accuracy_score(actual, predicted["prediction"])),
        "f1": float(f1_score(actual, predicted["prediction"], average="macro", zero_division=0)),
        "roc_auc": _roc_auc(actual, probabilities, labels),
        "log_loss": float(log_loss(actual, probabilities, labels=labels)),
    }


def row_losses(actual: pd.Series, predicted: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The loss of each row, lower is better: 1 for a wrong label, 0 for the right one. The gate compares these."""
    return np.asarray(predicted["prediction"].to_numpy() != actual.to_numpy(), dtype=float)


def classes(predicted: pd.DataFrame) -> list[str]:
    """The labels that the model knows, in the order of its probability columns."""
    return [str(name).removeprefix(PREFIX) for name in predicted if str(name).startswith(PREFIX)]


def _roc_auc(actual: pd.Series, probabilities: npt.NDArray[np.float64], labels: list[str]) -> float:
    if actual.nunique() < 2:
        return float("nan")
    present = [position for position, label in enumerate(labels) if (actual == label).any()]
    areas = [roc_auc_score(actual == labels[position], probabilities[:, position]) for position in present]
    return float(np.mean(areas))
