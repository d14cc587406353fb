"""Plots show what their names say."""

from __future__ import annotations

import pandas as pd

from tumour_check import flavor, model, plots, sample, schema
from tumour_check.parameters import Train


def test_every_figure_has_content() -> None:
    """The curve of each class is named with its area; the importance ranks columns of the input."""
    frame = sample.rows().head(150)
    inputs = schema.inputs(frame)
    fitted = model.build(Train()).fit(inputs, frame[schema.TARGET])
    figures = plots.figures(fitted, inputs, frame[schema.TARGET], flavor.predict(fitted, inputs))
    assert set(figures) == {"roc", "confusion", "importance"}
    _, legend = figures["roc"].axes[0].get_legend_handles_labels()
    assert [text.split()[0] for text in legend] == list(schema.CLASSES)
    named = {label.get_text() for label in figures["importance"].axes[0].get_yticklabels()}
    assert len(named) == plots.TOP
    assert named <= set(inputs)


def test_confusions_are_counted() -> None:
    """Rows are what is true, columns what was predicted; every pair has its number."""
    actual = pd.Series(["benign", "malignant", "malignant"])
    predicted = pd.DataFrame({"prediction": ["benign", "benign", "malignant"]})
    for label in schema.CLASSES:
        predicted[f"probability_{label}"] = 0.5
    (axes,) = plots.confusion(actual, predicted).axes
    assert [text.get_text() for text in axes.texts] == ["1", "0", "1", "1"]
