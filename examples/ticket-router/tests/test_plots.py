"""Plots show what their names say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ticket_router import flavor, metrics, model, plots, sample, schema, tokens
from ticket_router.classifier import Classifier, Tfidf
from ticket_router.parameters import Train

ACTUAL = pd.Series(["refund", "cancellation", "cancellation", "refund"])
PREDICTED = pd.DataFrame(
    {
        "prediction": ["refund", "refund", "cancellation", "refund"],
        "probability_refund": [0.8, 0.6, 0.3, 0.9],
        "probability_cancellation": [0.2, 0.4, 0.7, 0.1],
    }
)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Sample rows of all classes."""
    return sample.rows().head(300)


@pytest.fixture(scope="module")
def fitted(rows: pd.DataFrame) -> Classifier:
    """A linear model of them."""
    return Classifier(Tfidf(model.tfidf(Train()).fit(tokens.texts(schema.inputs(rows)), rows[schema.TARGET])))


def names(axes: Axes) -> list[str]:
    """What stands at the vertical axis."""
    return [label.get_text() for label in axes.get_yticklabels()]


def test_every_figure_has_content(fitted: Classifier, rows: pd.DataFrame) -> None:
    """All classes are in the confusion matrix, and a linear model shows the words of each."""
    inputs = schema.inputs(rows)
    figures = plots.figures(fitted, inputs, rows[schema.TARGET], flavor.predict(fitted, inputs))
    assert set(figures) == {"confusion", "reliability", "length", "words"}
    assert names(figures["confusion"].axes[0]) == list(schema.CLASSES)
    assert [axes.get_title() for axes in figures["words"].axes] == list(schema.CLASSES)
    assert all(len(set(names(axes))) == plots.TOP for axes in figures["words"].axes)


def test_confusions_are_counted() -> None:
    """Rows are what is true, columns what was predicted; a pair that never occurs stays empty."""
    (axes,) = plots.confusion(ACTUAL, PREDICTED).axes
    found = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
    assert names(axes) == ["refund", "cancellation"]
    assert found == {(0, 0): "2", (1, 0): "1", (1, 1): "1"}


def test_reliability_is_that_of_the_bins() -> None:
    """The points are the bins' confidence and accuracy, and the legend tells their mean distance."""
    (axes,) = plots.reliability(ACTUAL, PREDICTED).axes
    _, model_line = axes.get_lines()
    assert np.asarray(model_line.get_xdata()).tolist() == [0.6, 0.7, 0.8, 0.9]
    assert np.asarray(model_line.get_ydata()).tolist() == [0, 1, 1, 1]
    gap = metrics.evaluate(ACTUAL, PREDICTED)["expected_calibration_error"]
    assert f"{gap:.3f}" in str(model_line.get_label())


def test_lengths_are_counted_in_words() -> None:
    """Each band has its range, its rows and its accuracy; texts of one length are one band."""
    texts = pd.Series(["one", "one two", "one two three", "one two three four"])
    (axes,) = plots.length(texts, ACTUAL, PREDICTED).axes
    assert names(axes)[:2] == ["1 to 1 words (n = 1)", "2 to 2 words (n = 1)"]
    assert [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)] == [1, 0, 1, 1]
    (same,) = plots.length(pd.Series(["two words"] * 4), ACTUAL, PREDICTED).axes
    assert names(same) == ["2 to 2 words (n = 4)"]


def test_words_speak_for_their_class() -> None:
    """Of two classes each has the words that occur in it alone, loudest first."""
    texts = ["money back please", "money back now", "stop order please", "stop order now"]
    labels = ["refund", "refund", "cancellation", "cancellation"]
    cancellation, refund = plots.words(model.tfidf(Train()).fit(texts, labels)).axes
    assert (cancellation.get_title(), refund.get_title()) == ("cancellation", "refund")
    assert set(names(cancellation)[:2]) <= {"stop", "order", "stop order"}
    assert set(names(refund)[:2]) <= {"money", "back", "money back"}
