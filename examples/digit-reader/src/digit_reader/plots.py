"""What people would rather look at than read, for the report."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from . import charts, flavor, metrics, schema, transforms

# Of more classes than this, only colours can be read in the confusion matrix, and only some of the names.
MOST_NUMBERED = 20
MISTAKES, ACROSS = 15, 5


def figures(_: flavor.Model, inputs: pd.DataFrame, actual: pd.Series, predicted: pd.DataFrame) -> dict[str, Figure]:
    """The figures of a report by name.

    Args:
        _: the model, which figures of your own may ask more of.
        inputs: the n test rows as the model sees them.
        actual: their true labels.
        predicted: what the model predicts for them.
    """
    return {
        "confusion": confusion(actual, predicted),
        "reliability": reliability(actual, predicted),
        "mistakes": mistakes(inputs, actual, predicted),
    }


def confusion(actual: pd.Series, predicted: pd.DataFrame) -> Figure:
    """How often each class is taken for each other one. Rows are what is true, columns what was predicted."""
    labels = metrics.classes(predicted)
    counts = confusion_matrix(actual, predicted["prediction"], labels=labels)
    side = min(2.5 + 0.4 * len(labels), 10)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(counts, cmap="Blues")
    if len(labels) <= MOST_NUMBERED:
        _write_counts(axes, counts)
    else:
        figure.colorbar(image, label="pictures", shrink=0.7)
    shown = range(0, len(labels), math.ceil(len(labels) / MOST_NUMBERED))
    axes.set(xlabel="predicted", ylabel="actual")
    axes.set_xticks(shown, [labels[position] for position in shown], rotation=90 if max(map(len, labels)) > 3 else 0)
    axes.set_yticks(shown, [labels[position] for position in shown])
    return figure


def _write_counts(axes: Axes, counts: npt.NDArray[np.int64]) -> None:
    for row, column in np.ndindex(*counts.shape):
        color = "white" if counts[row, column] > counts.max() / 2 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color)


def reliability(actual: pd.Series, predicted: pd.DataFrame) -> Figure:
    """The reliability diagram: how often the model is right, by how sure it is. Below the diagonal it is too sure.

    Beneath, how many pictures each point stands for.
    """
    bins = metrics.calibration(actual, predicted)
    figure = Figure(figsize=(5, 6), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    above.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    above.plot(bins["confidence"], bins["accuracy"], color=charts.COLOR, marker="o")
    above.set(ylabel="accuracy", xlim=(0, 1), ylim=(-0.02, 1.02))
    above.set_title(f"expected calibration error {metrics.expected_calibration_error(actual, predicted):.3f}", size=10)
    below.hist(metrics.confidence(predicted), bins=metrics.BINS, range=(0, 1), color=charts.COLOR)
    below.set(xlabel="confidence", ylabel="pictures", yscale="log")
    return figure


def mistakes(inputs: pd.DataFrame, actual: pd.Series, predicted: pd.DataFrame) -> Figure:
    """The pictures that the model got wrong, those first of which it was surest: actual → predicted (probability)."""
    confidence = metrics.confidence(predicted)[metrics.row_losses(actual, predicted) > 0]
    worst = confidence.sort_values(ascending=False, kind="stable").head(MISTAKES)
    down = max(1, math.ceil(len(worst) / ACROSS))
    figure = Figure(figsize=(1.7 * ACROSS, 2 * down), layout="constrained")
    if worst.empty:
        figure.text(0.5, 0.5, f"no mistakes on {len(actual)} pictures", ha="center", va="center")
        return figure
    for axes in figure.subplots(down, ACROSS, squeeze=False).flat:
        axes.axis("off")
    for axes, row in zip(figure.axes, worst.index, strict=False):
        _show(axes, inputs.loc[row, schema.CONTENT])
        label = f"{actual[row]} → {predicted.loc[row, 'prediction']} ({worst[row]:.2f})"
        axes.set_title(label, size=9)
    return figure


def _show(axes: Axes, content: bytes) -> None:
    pixels = transforms.decode(content)
    axes.imshow(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels, cmap="gray", vmin=0, vmax=255)
