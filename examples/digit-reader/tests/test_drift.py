"""Drift: seen when it is there, and seldom when it is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from digit_reader import drift, rows, scoring
from digit_reader.settings import Monitor
from digit_reader.steps import monitor
from digit_reader.steps.monitor import COMPARED, decide

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


def test_what_was_always_the_same_and_no_longer_is_is_found() -> None:
    """A number that never varied, such as a count of nothing, has drifted once it does; upwards and downwards."""
    for moved in (1.0, -1.0):
        current = pd.DataFrame({"x": [0.0] * 50 + [moved] * 50})
        assert drifted(pd.DataFrame({"x": [0.0] * 200}), current) == ["x"]


def test_the_index_of_equal_counts_is_zero() -> None:
    """And it is the same in both directions."""
    left, right = np.array([10, 20, 30]), np.array([30, 20, 10])
    assert drift.psi(left, left) == 0
    assert drift.psi(left, right) == pytest.approx(drift.psi(right, left))


def test_constant_and_empty_columns_do_not_break() -> None:
    """A column of one value, or of none, has not drifted."""
    constant = pd.DataFrame({"x": [1.0] * 100, "y": [None] * 100, "z": ["a"] * 100})
    assert drifted(constant, constant) == []


def vectors(seed: int, n: int, shift: float = 0.0) -> drift.Vectors:
    """n vectors of eight normal numbers, all moved by `shift`."""
    moved: drift.Vectors = np.random.default_rng(seed).normal(shift, 1, (n, 8)).astype(np.float32)
    return moved


@pytest.mark.parametrize("n", [20, 200, 1000])
def test_equal_rows_cannot_be_told_apart(n: int) -> None:
    """Also for few rows, where the area is far from one half by chance."""
    found = [drift.domain(vectors(seed, 500), vectors(seed + 50, n), 0.6, 0.01) for seed in range(10)]
    assert not any(one.drifted for one in found)
    assert abs(np.mean([one.auc for one in found]) - 0.5) < 0.1


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_rows_that_moved_are_told_apart(kind: Callable[[drift.Vectors], drift.Vectors]) -> None:
    """A shift that each column alone hardly shows, in dense and in sparse vectors."""
    one = drift.domain(kind(vectors(0, 500)), kind(vectors(1, 300, shift=0.8)), 0.75, 0.01)
    assert one.auc > one.lower > 0.75
    assert one.drifted


def test_too_few_rows_tell_nothing() -> None:
    """Nothing can be learned from a handful of rows, and that is no error."""
    assert not drift.domain(vectors(0, 500), vectors(1, 5, shift=9.0), 0.75, 0.01).drifted


def found(*names: str) -> list[drift.Drift]:
    """Verdicts for ten columns and the prediction, of which `names` drifted."""
    columns = [*(f"c{number}" for number in range(10)), *COMPARED]
    return [drift.Drift(name, 1.0, 0.0, name in names) for name in columns]


def test_few_drifted_columns_keep_the_model() -> None:
    """Retraining needs more than the allowed share of columns, or the predictions themselves."""
    assert decide(found("c1", "c2"), None, 100, LIMITS)["retrain"] is False
    assert decide(found("c1", "c2", "c3"), None, 100, LIMITS)["reasons"] == [f"c{n} has drifted" for n in (1, 2, 3)]
    assert decide(found(COMPARED[0]), None, 100, LIMITS)["reasons"] == ["the predictions have drifted"]


def test_rows_that_differ_as_a_whole_call_for_retraining() -> None:
    """Where no column alone has drifted, the classifier's verdict counts, and its area is told."""
    assert decide(found(), drift.Domain(0.6, 0.5, drifted=False), 100, LIMITS)["retrain"] is False
    decision = decide(found(), drift.Domain(0.93, 0.9, drifted=True), 100, LIMITS)
    assert decision["retrain"] is True
    assert "0.93" in decision["reasons"][0]


def test_of_many_rows_a_sample_is_kept(monkeypatch: pytest.MonkeyPatch, raw: pd.DataFrame) -> None:
    """Memory does not grow with the rows but by their descriptors, and the sample does not depend on the chunks."""
    monkeypatch.setattr(monitor, "LARGEST_SAMPLE", 10)
    chunks = [raw.iloc[start : start + 50] for start in range(0, 200, 50)]
    observed = monitor.observe(chunks)
    assert len(observed.columns) + observed.rejected == 200
    assert len(observed.sample) == 10
    assert list(observed.sample.columns) == list(rows.check(raw.head(), scoring.ROW).good.columns)
