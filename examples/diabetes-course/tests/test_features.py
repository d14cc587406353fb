"""Features: from checked rows to finite numbers."""

from __future__ import annotations

import numpy as np

from diabetes_course import features, sample, schema


def test_the_interaction_is_added_without_touching_the_argument() -> None:
    """The function returns a new frame."""
    frame = schema.inputs(sample.rows())
    before = frame.copy()
    wider = features.with_interaction(frame)
    assert wider[features.INTERACTION].iloc[0] == frame["bmi"].iloc[0] * frame["blood_pressure"].iloc[0]
    assert frame.equals(before)


def test_features_are_finite_numbers() -> None:
    """Every row becomes as many numbers as there are features, none of them missing."""
    frame = schema.inputs(sample.rows())
    matrix = features.build().fit_transform(frame)
    assert matrix.shape == (len(frame), len(schema.MEASUREMENTS) + 1 + len(schema.SEXES))
    assert np.isfinite(matrix).all()
