"""Plots show what their names say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from digit_reader import flavor, metrics, plots, sample, schema, transforms


def predictions(labels: list[str], classes: tuple[str, ...], confidences: list[float]) -> pd.DataFrame:
    """What a model says that gives each label so much of the probability, and the rest to the others alike."""
    own = np.array(labels)[:, None] == np.array(classes)
    sure = np.array(confidences)[:, None]
    table = pd.DataFrame(np.where(own, sure, (1 - sure) / (len(classes) - 1)), columns=list(classes))
    return table.add_prefix(metrics.PREFIX).assign(prediction=labels)


def test_mistakes_are_shown_as_pictures_the_surest_first() -> None:
    """Of four pictures two are wrong: they are drawn, with what is true, what was said, and how surely."""
    rows = sample.rows().head(4)  # the digits 0, 1, 2, 3
    predicted = predictions(["0", "7", "8", "3"], schema.CLASSES, [0.9, 0.6, 0.8, 0.9])
    figure = plots.mistakes(schema.inputs(rows), rows[schema.TARGET], predicted)
    drawn = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in drawn] == ["2 → 8 (0.80)", "1 → 7 (0.60)"]
    for axes, position in zip(drawn, (2, 1), strict=True):
        pixels = transforms.decode(rows[schema.CONTENT].iloc[position]).squeeze()
        np.testing.assert_array_equal(axes.images[0].get_array(), pixels)


def test_only_the_worst_mistakes_are_shown() -> None:
    """The figure does not grow with the number of mistakes."""
    rows = sample.rows().head(100)
    predicted = predictions(["0"] * 100, schema.CLASSES, [0.5] * 100)
    figure = plots.mistakes(schema.inputs(rows), rows[schema.TARGET], predicted)
    assert sum(bool(axes.images) for axes in figure.axes) == plots.MISTAKES


def test_no_mistakes_are_said_to_be_none() -> None:
    """A model without mistakes gets a figure that says so."""
    rows = sample.rows().head(4)
    predicted = predictions(list(rows[schema.TARGET]), schema.CLASSES, [0.9] * 4)
    figure = plots.mistakes(schema.inputs(rows), rows[schema.TARGET], predicted)
    assert [text.get_text() for text in figure.texts] == ["no mistakes on 4 pictures"]


def test_confusions_are_counted() -> None:
    """Rows are what is true, columns what was predicted; every pair has its number."""
    predicted = predictions(["a", "a", "b"], ("a", "b"), [0.9] * 3)
    (axes,) = plots.confusion(pd.Series(["a", "b", "b"]), predicted).axes
    assert [text.get_text() for text in axes.texts] == ["1", "0", "1", "1"]


def test_many_classes_are_shown_by_colour() -> None:
    """Of a hundred classes the matrix holds all counts, but writes no number, and only as many names as fit."""
    classes = tuple(f"species {number}" for number in range(100))
    actual = pd.Series(classes)
    axes = plots.confusion(actual, predictions(list(classes), classes, [0.9] * 100)).axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), np.eye(100))
    assert not axes.texts
    assert len(axes.get_xticklabels()) <= plots.MOST_NUMBERED


def test_calibration_is_drawn_by_bins() -> None:
    """A model that is sure of nine tenths and right in half of the cases lies below the diagonal."""
    actual = pd.Series(["a", "b"])
    above, below = plots.reliability(actual, predictions(["a", "a"], ("a", "b"), [0.9, 0.9])).axes
    np.testing.assert_array_equal(above.lines[1].get_xydata(), [[0.9, 0.5]])
    assert "0.400" in above.get_title()
    assert sum(bar.get_height() for bar in below.containers[0]) == 2


def test_every_figure_has_a_name(trained: Path) -> None:
    """The figures of a report, of a real model."""
    model = flavor.load(trained / "outputs/model")
    frame = sample.rows().head(20)
    predicted = flavor.predict(model, schema.inputs(frame))
    figures = plots.figures(model, schema.inputs(frame), frame[schema.TARGET], predicted)
    assert set(figures) == {"confusion", "reliability", "mistakes"}
