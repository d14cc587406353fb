"""Plots show what their names say."""

from __future__ import annotations

import numpy as np

from diabetes_course import flavor, model, plots, sample, schema
from diabetes_course.parameters import Train


def test_every_figure_has_content() -> None:
    """The residuals hold a point for each row; the importance ranks the columns of the input."""
    frame = sample.rows().head(150)
    inputs = schema.inputs(frame)
    fitted = model.build(Train()).fit(inputs, frame[schema.TARGET])
    figures = plots.figures(fitted, inputs, frame[schema.TARGET], flavor.predict(fitted, inputs))
    assert set(figures) == {"residuals", "importance"}
    left, right = figures["residuals"].axes
    points = [np.shape(axes.collections[0].get_offsets())[0] for axes in (left, right)]
    assert points == [len(frame), len(frame)]
    named = {label.get_text() for label in figures["importance"].axes[0].get_yticklabels()}
    assert named == set(inputs)
