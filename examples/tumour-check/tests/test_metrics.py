"""Metrics, against values known by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from tumour_check import metrics

ACTUAL = pd.Series(["benign", "benign", "malignant", "malignant"])
PREDICTED = pd.DataFrame(
    {
        "prediction": ["benign", "malignant", "malignant", "malignant"],
        "probability_benign": [0.9, 0.4, 0.2, 0.1],
        "probability_malignant": [0.1, 0.6, 0.8, 0.9],
    }
)


def test_values_are_right() -> None:
    """Three of four are right, and every malignant one ranks above every benign one."""
    values = metrics.evaluate(ACTUAL, PREDICTED)
    assert values["accuracy"] == 0.75
    assert values["roc_auc"] == 1
    assert values["f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert values["log_loss"] == pytest.approx(-sum(map(math.log, (0.9, 0.4, 0.8, 0.9))) / 4)


def test_one_class_has_no_ranking() -> None:
    """Where only one class is present, roc_auc is not a number; the others are."""
    values = metrics.evaluate(ACTUAL.head(2), PREDICTED.head(2))
    assert math.isnan(values["roc_auc"])
    assert values["accuracy"] == 0.5


def test_a_loss_is_a_wrong_label() -> None:
    """One for each wrong row."""
    assert metrics.row_losses(ACTUAL, PREDICTED).tolist() == [0, 1, 0, 0]


def test_three_classes_work() -> None:
    """Each class is held against the rest."""
    actual = pd.Series(["a", "b", "c"])
    table = {"prediction": ["a", "b", "b"], "probability_a": [0.8, 0.1, 0.1], "probability_b": [0.1, 0.8, 0.5]}
    predicted = pd.DataFrame({**table, "probability_c": [0.1, 0.1, 0.4]})
    assert metrics.evaluate(actual, predicted)["roc_auc"] == 1
