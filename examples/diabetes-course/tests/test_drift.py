"""Drift: seen when it is there, and seldom when it is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from diabetes_course import drift
from diabetes_course.settings import Monitor
from diabetes_course.steps.monitor import PREDICTION, decide

LIMITS = Monitor()


def frame(seed: int, n: int, shift: float = 0.0, share: float = 0.5) -> pd.DataFrame:
    """A normal column moved by `shift`, and a column of words of which `share` are "a"."""
    generator = np.random.default_rng(seed)
    words = np.where(generator.random(n) < share, "a", "b")
    return pd.DataFrame({"number": generator.normal(shift, 1, n), "word": words})


def drifted(reference: pd.DataFrame, current: pd.DataFrame) -> list[str]:
    """The names of the columns that drifted."""
    found = drift.compare(reference, current, LIMITS.psi_at_most, LIMITS.significance)
    return [column.column for column in found if column.drifted]


@pytest.mark.parametrize("n", [60, 500, 5000])
def test_equal_distributions_raise_no_alarm(n: int) -> None:
    """Also for few rows, where the index alone is large by chance."""
    alarms = [drifted(frame(seed, 500), frame(seed + 100, n)) for seed in range(40)]
    assert sum(map(bool, alarms)) <= 1


def test_shifts_are_found() -> None:
    """A shift of one standard deviation, and a word that became much more common."""
    assert drifted(frame(0, 500), frame(1, 500, shift=1.0)) == ["number"]
    assert drifted(frame(0, 500), frame(1, 500, share=0.9)) == ["word"]


def test_a_new_word_is_found() -> None:
    """A value that the reference does not know counts, and the index stays finite."""
    current = frame(1, 500).assign(word="c")
    found = {column.column: column for column in drift.compare(frame(0, 500), current, 0.2, 0.01)}
    assert found["word"].drifted
    assert np.isfinite(found["word"].psi)


def test_the_index_of_equal_counts_is_zero() -> None:
    """And it is the same in both directions."""
    left, right = np.array([10, 20, 30]), np.array([30, 20, 10])
    assert drift.psi(left, left) == 0
    assert drift.psi(left, right) == pytest.approx(drift.psi(right, left))


def test_constant_and_empty_columns_do_not_break() -> None:
    """A column of one value, or of none, has not drifted."""
    constant = pd.DataFrame({"x": [1.0] * 100, "y": [None] * 100, "z": ["a"] * 100})
    assert drifted(constant, constant) == []


def found(*names: str) -> list[drift.Drift]:
    """Verdicts for ten columns and the prediction, of which `names` drifted."""
    columns = [*(f"c{number}" for number in range(10)), PREDICTION]
    return [drift.Drift(name, 1.0, 0.0, name in names) for name in columns]


def test_few_drifted_columns_keep_the_model() -> None:
    """Retraining needs more than the allowed share of columns, or the predictions themselves."""
    assert decide(found("c1", "c2"), 100, LIMITS)["retrain"] is False
    assert decide(found("c1", "c2", "c3"), 100, LIMITS)["reasons"] == [f"c{n} has drifted" for n in (1, 2, 3)]
    assert decide(found(PREDICTION), 100, LIMITS)["reasons"] == ["the predictions have drifted"]
