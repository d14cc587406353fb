"""What people would rather look at than read, for the report."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance
from sklearn.metrics import auc, confusion_matrix, roc_curve

from . import charts, metrics

TOP = 15


def figures(
    model: BaseEstimator, inputs: pd.DataFrame, actual: pd.Series, predicted: pd.DataFrame
) -> dict[str, Figure]:
    """The figures of a report by name.

    Args:
        model: the fitted model.
        inputs: the n test rows as the model sees them.
        actual: their true labels.
        predicted: what the model predicts for them.
    """
    return {
        "roc": roc(actual, predicted),
        "confusion": confusion(actual, predicted),
        "importance": importance(model, inputs, actual),
    }


def roc(actual: pd.Series, predicted: pd.DataFrame) -> Figure:
    """One curve for each class against the rest."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    for label in metrics.classes(predicted):
        false_positive, true_positive, _ = roc_curve(actual == label, predicted[metrics.PREFIX + label])
        axes.plot(false_positive, true_positive, label=f"{label} (area {auc(false_positive, true_positive):.3f})")
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    axes.legend(loc="lower right")
    return figure


def confusion(actual: pd.Series, predicted: pd.DataFrame) -> Figure:
    """How often each class is taken for each other one."""
    labels = metrics.classes(predicted)
    counts = confusion_matrix(actual, predicted["prediction"], labels=labels)
    figure = Figure(figsize=(4.5, 4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues")
    for row, column in np.ndindex(*counts.shape):
        color = "white" if counts[row, column] > counts.max() / 2 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color)
    axes.set(xlabel="predicted", ylabel="actual")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    return figure


def importance(model: BaseEstimator, inputs: pd.DataFrame, actual: pd.Series) -> Figure:
    """How much the accuracy falls when a column is shuffled: the largest falls first."""
    result = permutation_importance(model, inputs, actual, n_repeats=2, random_state=0)
    falls = pd.Series(result.importances_mean, inputs.columns).sort_values(ascending=False)
    return charts.bars(falls.head(TOP), "fall of the accuracy when shuffled")
