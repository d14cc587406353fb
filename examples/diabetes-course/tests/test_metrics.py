"""Metrics, against values known by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from diabetes_course import metrics

ACTUAL = pd.Series([1.0, 2.0, 3.0, 6.0])
PREDICTED = pd.DataFrame({"prediction": [1.0, 4.0, 3.0, 4.0]})


def test_values_are_right() -> None:
    """Two predictions are off by two."""
    values = metrics.evaluate(ACTUAL, PREDICTED)
    assert values["mae"] == 1
    assert values["rmse"] == pytest.approx(math.sqrt(2))
    assert values["r2"] == pytest.approx(1 - 8 / 14)


def test_one_row_explains_no_variance() -> None:
    """For a single row r2 is not a number; the others are."""
    values = metrics.evaluate(ACTUAL.head(1), PREDICTED.head(1))
    assert math.isnan(values["r2"])
    assert values["mae"] == 0


def test_a_loss_is_the_distance() -> None:
    """In the target's unit, for each row."""
    assert metrics.row_losses(ACTUAL, PREDICTED).tolist() == [0, 2, 0, 2]
