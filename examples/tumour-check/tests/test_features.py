"""Features: from checked rows to finite numbers."""

from __future__ import annotations

import numpy as np

from tumour_check import features, sample, schema


def test_spreads_are_added_without_touching_the_argument() -> None:
    """The function returns a new frame."""
    frame = schema.inputs(sample.rows())
    before = frame.copy()
    wider = features.with_spreads(frame)
    assert wider["radius_spread"].iloc[0] == frame["worst_radius"].iloc[0] - frame["mean_radius"].iloc[0]
    assert frame.equals(before)


def test_features_are_finite_numbers() -> None:
    """Every row becomes as many numbers as there are features, none of them missing."""
    frame = schema.inputs(sample.rows())
    matrix = features.build().fit_transform(frame)
    assert matrix.shape == (len(frame), len(schema.MEASUREMENTS) + len(features.SPREADS) + len(schema.SIZES))
    assert np.isfinite(matrix).all()
