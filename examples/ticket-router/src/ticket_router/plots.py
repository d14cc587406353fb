"""What people would rather look at than read, for the report."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import Pipeline

from . import charts, flavor, metrics
from .classifier import Tfidf

# Bands of the text length, of equally many texts each.
BANDS = 5
# Words shown of each class.
TOP = 8


def figures(model: flavor.Model, inputs: pd.DataFrame, actual: pd.Series, predicted: pd.DataFrame) -> dict[str, Figure]:
    """The figures of a report by name.

    Args:
        model: the loaded model.
        inputs: the n test rows as the model sees them.
        actual: their true labels.
        predicted: what the model predicts for them.
    """
    found = {
        "confusion": confusion(actual, predicted),
        "reliability": reliability(actual, predicted),
        "length": length(inputs["text"], actual, predicted),
    }
    return found | {"words": words(model.scorer.pipeline)} if isinstance(model.scorer, Tfidf) else found


def confusion(actual: pd.Series, predicted: pd.DataFrame) -> Figure:
    """How often each class is taken for each other one; the colour is the share of the actual class."""
    labels = metrics.classes(predicted)
    counts = confusion_matrix(actual, predicted["prediction"], labels=labels)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.45 * len(labels)
    figure = Figure(figsize=(side + 0.5, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color)
    axes.set(xlabel="predicted", ylabel="actual (colour: share of the row)")
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    return figure


def reliability(actual: pd.Series, predicted: pd.DataFrame) -> Figure:
    """How often the model is right against how sure it is; on the diagonal the two agree."""
    bins = metrics.calibration(actual, predicted)
    gap = metrics.evaluate(actual, predicted)["expected_calibration_error"]
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1, label="as right as it says")
    axes.plot(bins["confidence"], bins["accuracy"], "o", color=charts.COLOR, label=f"model (mean gap {gap:.3f})")
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
    axes.legend(loc="upper left")
    return figure


def length(texts: pd.Series, actual: pd.Series, predicted: pd.DataFrame) -> Figure:
    """The accuracy in bands of the number of words, shortest first."""
    counts = texts.str.split().str.len()
    right = pd.Series(1 - metrics.row_losses(actual, predicted), counts.index)
    bands = pd.qcut(counts, BANDS, duplicates="drop") if counts.nunique() > 1 else counts
    parts = pd.DataFrame({"words": counts, "right": right}).groupby(bands, observed=True)
    names = [f"{part['words'].min()} to {part['words'].max()} words (n = {len(part)})" for _, part in parts]
    figure = charts.bars(parts["right"].mean().set_axis(names), "accuracy")
    figure.axes[0].set_xlim(0, 1)
    return figure


def words(pipeline: Pipeline) -> Figure:
    """The words, and pairs of words, that speak loudest for each class of a linear model."""
    weights = _weights(pipeline)
    rows = -(-len(weights) // 2)
    height = 1 + 1.6 * rows
    figure = Figure(figsize=(8.5, height))
    # Laid out by hand: to find the best places for so many charts takes seconds.
    figure.subplots_adjust(left=0.18, right=0.97, top=1 - 0.4 / height, bottom=0.6 / height, wspace=0.5, hspace=0.35)
    grid = figure.subplots(rows, 2, squeeze=False, sharex=True).ravel()
    for axes in grid[len(weights) :]:
        axes.set_visible(False)
    for axes, (label, values) in zip(grid, weights.iterrows(), strict=False):
        top = values.nlargest(TOP)
        axes.barh(top.index, top, color=charts.COLOR)
        axes.invert_yaxis()
        axes.set_title(label, fontsize=10)
        axes.tick_params(labelsize=8)
    figure.supxlabel("weight", fontsize=10)
    return figure


def _weights(pipeline: Pipeline) -> pd.DataFrame:
    """A row a class, a column a word. Two classes share one row of weights, with opposite signs."""
    estimator, names = pipeline[-1], pipeline[:-1].get_feature_names_out()
    weights = estimator.coef_ if len(estimator.classes_) > 2 else np.vstack([-estimator.coef_, estimator.coef_])
    table = pd.DataFrame(weights, estimator.classes_, names).filter(regex="^words__")
    return table.rename(columns=lambda name: name.removeprefix("words__"))
