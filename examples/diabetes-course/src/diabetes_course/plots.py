"""What people would rather look at than read, for the report."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance

from . import charts

TOP = 15


def figures(
    model: BaseEstimator, inputs: pd.DataFrame, actual: pd.Series, predicted: pd.DataFrame
) -> dict[str, Figure]:
    """The figures of a report by name.

    Args:
        model: the fitted model.
        inputs: the n test rows as the model sees them.
        actual: their true values.
        predicted: what the model predicts for them.
    """
    return {
        "residuals": residuals(actual, predicted["prediction"]),
        "importance": importance(model, inputs, actual),
    }


def residuals(actual: pd.Series, predicted: pd.Series) -> Figure:
    """Prediction against truth, and what is left over: a funnel or a curve shows what the model misses."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.scatter(predicted, actual, s=12, alpha=0.6, color=charts.COLOR)
    left.axline((float(actual.mean()),) * 2, slope=1, color="grey", linestyle="--", linewidth=1)
    left.set(xlabel="predicted", ylabel="actual")
    right.scatter(predicted, actual - predicted, s=12, alpha=0.6, color=charts.COLOR)
    right.axhline(0, color="grey", linestyle="--", linewidth=1)
    right.set(xlabel="predicted", ylabel="actual minus predicted")
    return figure


def importance(model: BaseEstimator, inputs: pd.DataFrame, actual: pd.Series) -> Figure:
    """How much the explained variance falls when a column is shuffled: the largest falls first."""
    result = permutation_importance(model, inputs, actual, n_repeats=2, random_state=0)
    falls = pd.Series(result.importances_mean, inputs.columns).sort_values(ascending=False)
    return charts.bars(falls.head(TOP), "fall of r2 when shuffled")
