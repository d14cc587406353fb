"""Metrics, against values known by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from digit_reader import metrics

ACTUAL = pd.Series(["0", "0", "1", "2"])
PREDICTED = pd.DataFrame(
    {
        "prediction": ["0", "1", "1", "2"],
        "probability_0": [0.9, 0.3, 0.2, 0.0],
        "probability_1": [0.1, 0.6, 0.7, 0.1],
        "probability_2": [0.0, 0.1, 0.1, 0.9],
    }
)


def test_values_are_right() -> None:
    """Three of four are right, and each class ranks its own pictures first."""
    values = metrics.evaluate(ACTUAL, PREDICTED)
    assert values["accuracy"] == 0.75
    assert values["roc_auc"] == 1
    assert values["f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert values["log_loss"] == pytest.approx(-sum(map(math.log, (0.9, 0.3, 0.7, 0.9))) / 4)


def test_calibration_is_by_confidence() -> None:
    """Bins go by the probability of the predicted label, and those without pictures are left out."""
    bins = metrics.calibration(ACTUAL, PREDICTED)
    assert list(bins["rows"]) == [1, 1, 2]
    assert list(bins["confidence"]) == pytest.approx([0.6, 0.7, 0.9])
    assert list(bins["accuracy"]) == [0, 1, 1]


def test_calibration_error_weighs_bins_by_their_rows() -> None:
    """One picture is 0.6 off, one 0.3, and two are 0.1 off."""
    assert metrics.expected_calibration_error(ACTUAL, PREDICTED) == pytest.approx((0.6 + 0.3 + 0.1 + 0.1) / 4)


def test_a_certain_and_right_model_is_calibrated() -> None:
    """A probability of 1 is in the highest bin, and no error when it is right."""
    predicted = pd.DataFrame({"prediction": ["0", "1"], "probability_0": [1.0, 0.0], "probability_1": [0.0, 1.0]})
    assert metrics.expected_calibration_error(pd.Series(["0", "1"]), predicted) == 0
    assert len(metrics.calibration(pd.Series(["0", "1"]), predicted)) == 1


def test_one_class_is_held_against_nothing() -> None:
    """Where only one class is present, as in a slice by label, roc_auc and f1 are not numbers; the others are."""
    values = metrics.evaluate(ACTUAL.head(2), PREDICTED.head(2))
    assert {name for name, value in values.items() if math.isnan(value)} == {"f1", "roc_auc"}
    assert values["accuracy"] == 0.5


def test_a_loss_is_a_wrong_label() -> None:
    """One for each wrong row."""
    assert metrics.row_losses(ACTUAL, PREDICTED).tolist() == [0, 1, 0, 0]
