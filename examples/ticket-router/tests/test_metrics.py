"""Metrics, against values known by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_router import metrics

ACTUAL = pd.Series(["refund", "refund", "delivery", "delivery"])
# The columns are not in the order of the alphabet, as the classes of a schema need not be.
PREDICTED = pd.DataFrame(
    {
        "prediction": ["refund", "delivery", "delivery", "delivery"],
        "probability_refund": [0.9, 0.4, 0.2, 0.1],
        "probability_delivery": [0.1, 0.6, 0.8, 0.9],
    }
)


def test_values_are_right() -> None:
    """Three of four are right; each has a bin of its own, so the calibration error is the mean distance."""
    values = metrics.evaluate(ACTUAL, PREDICTED)
    assert values["accuracy"] == 0.75
    assert values["f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert values["log_loss"] == pytest.approx(-sum(map(math.log, (0.9, 0.4, 0.8, 0.9))) / 4)
    assert values["expected_calibration_error"] == pytest.approx((0.1 + 0.6 + 0.2 + 0.1) / 4)


def test_a_loss_is_a_wrong_label() -> None:
    """One for each wrong row."""
    assert metrics.row_losses(ACTUAL, PREDICTED).tolist() == [0, 1, 0, 0]


def test_one_row_has_metrics() -> None:
    """A slice may be a single row of a single class."""
    values = metrics.evaluate(ACTUAL.head(1), PREDICTED.head(1))
    assert values["accuracy"] == 1
    assert values["expected_calibration_error"] == pytest.approx(0.1)


def said(confidence: float, rights: list[bool]) -> dict[str, float]:
    """The metrics of a model that says `confidence` for every row and is right where told."""
    actual = pd.Series(["refund"] * len(rights))
    prediction = np.where(rights, "refund", "delivery")
    refund = np.where(rights, confidence, 1 - confidence)
    table = {"prediction": prediction, "probability_refund": refund, "probability_delivery": 1 - refund}
    return metrics.evaluate(actual, pd.DataFrame(table))


def test_a_model_as_right_as_it_says_is_calibrated() -> None:
    """Eight of ten right in every bin, at 80 % confidence: no error. At 95 %: the 15 % that it says too much."""
    rights = ([True] * 8 + [False] * 2) * metrics.BINS
    assert said(0.8, rights)["expected_calibration_error"] == pytest.approx(0, abs=1e-9)
    assert said(0.95, rights)["expected_calibration_error"] == pytest.approx(0.15)


@given(st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=60))
def test_bins_share_all_rows_evenly(rows: list[tuple[float, bool]]) -> None:
    """Each row is in one bin, no bin has two more than another, and confidence rises from bin to bin."""
    sure = np.array([confidence for confidence, _ in rows])
    predicted = pd.DataFrame({"prediction": "a", "probability_a": sure, "probability_b": 1 - sure})
    bins = metrics.calibration(pd.Series(["a" if right else "b" for _, right in rows]), predicted)
    assert bins["rows"].sum() == len(rows)
    assert bins["rows"].max() - bins["rows"].min() <= 1
    assert bins["confidence"].diff().dropna().ge(-1e-12).all()
