"""The gate's arithmetic: what the margin lets through and what it stops, and reasons for every bound."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handbook_assistant import gate
from handbook_assistant.errors import InputError
from handbook_assistant.settings import Bound, Slices

TRIALS = 120


def passes(accuracy: float, n: int, trials: int = TRIALS) -> float:
    """How often a candidate of this accuracy passes against a champion of 0.9 with independent errors."""
    generator = np.random.default_rng(1)
    champions = (generator.random((trials, n)) > 0.9).astype(float)
    candidates = (generator.random((trials, n)) > accuracy).astype(float)
    pairs = zip(candidates, champions, strict=True)
    return float(np.mean([gate.compare(ours, theirs, 300).passed for ours, theirs in pairs]))


@pytest.mark.parametrize("n", [200, 1000])
def test_an_equal_model_passes_four_times_in_five(n: int) -> None:
    """Chance alone seldom stops an equally good model, whatever the size of the test set."""
    assert 0.7 <= passes(0.9, n) <= 0.9


@pytest.mark.parametrize(("n", "margin"), [(200, 0.084), (360, 0.063), (1000, 0.038), (5000, 0.017)])
def test_the_margin_follows_from_the_size(n: int, margin: float) -> None:
    """The margin for a champion of accuracy 0.9 shrinks with the square root of the number of rows."""
    champion = np.repeat([1.0, 0.0], [n // 10, n - n // 10])
    assert gate.margin(champion, champion) == pytest.approx(margin, abs=0.0006)


@pytest.mark.parametrize("n", [200, 1000])
def test_a_model_worse_by_the_margin_is_stopped(n: int) -> None:
    """A model that is worse by as much as the margin passes a few times in a hundred at most."""
    margin = gate.MARGIN_IN_STANDARD_ERRORS * math.sqrt(2 * 0.09 / n)
    assert passes(0.9 - margin, n) <= 0.06


def test_errors_on_the_same_rows_make_the_comparison_sharp() -> None:
    """A model that errs where the champion errs passes, although both err often."""
    errors = (np.random.default_rng(0).random(300) > 0.7).astype(float)
    assert gate.compare(errors, errors, 500).passed


def test_a_champion_without_errors_forgives_one() -> None:
    """One error in a hundred rows is not enough to tell two models apart; ten are."""
    champion, one, ten = np.zeros(100), np.zeros(100), np.zeros(100)
    one[:1], ten[:10] = 1, 1
    assert gate.compare(one, champion, 500).passed
    assert not gate.compare(ten, champion, 500).passed


def test_memory_stays_bounded() -> None:
    """Resampling in batches gives the number of means asked for, also where a batch holds one resample."""
    assert len(gate.bootstrap_means(np.zeros(20_000_000, np.float64)[:3_000_000], 4, seed=0)) == 4


@given(value=st.floats(allow_nan=True), bound=st.floats(allow_nan=False))
def test_bounds_are_kept_or_told(value: float, bound: float) -> None:
    """A value passes `at_least` exactly when it is no smaller, `at_most` when no larger; not-a-number passes none."""
    assert bool(gate.outside(value, bound, None)) == (not value >= bound)
    assert bool(gate.outside(value, None, bound)) == (not value <= bound)
    assert not gate.outside(value, None, None)


def test_lower_is_better_is_honoured() -> None:
    """An error metric above its ceiling is a reason; below it there is none."""
    floors = {"rmse": Bound(at_most=10)}
    assert gate.floor_reasons(floors, {"rmse": 9.9}) == []
    assert gate.floor_reasons(floors, {"rmse": 10.1}) == ["rmse: 10.1, at most 10 required"]


def test_every_reason_is_told() -> None:
    """All broken floors are listed, not the first alone."""
    floors = {"accuracy": Bound(at_least=0.9), "rmse": Bound(at_most=1)}
    assert len(gate.floor_reasons(floors, {"accuracy": 0.5, "rmse": float("nan")})) == 2


def table(*parts: tuple[str, int, float]) -> pd.DataFrame:
    """A slice table with one metric."""
    return pd.DataFrame(parts, columns=["slice", "rows", "accuracy"])


def test_a_weak_slice_is_refused() -> None:
    """A slice below its floor is a reason even when the whole is fine."""
    rule = Slices(metric="accuracy", at_least=0.8, minimum_rows=20)
    parts = table(("size=small", 50, 0.7), ("size=large", 500, 0.99))
    reasons = gate.slice_reasons(rule, {"accuracy": 0.96}, parts)
    assert reasons == ["slice size=small: accuracy 0.7, at least 0.8 required"]


def test_a_slice_far_from_the_whole_is_refused() -> None:
    """The largest gap holds in both directions: a slice that is too good hides a weak rest."""
    rule = Slices(metric="accuracy", largest_gap=0.1, minimum_rows=20)
    parts = table(("a", 50, 0.79), ("b", 50, 0.95), ("c", 50, 1.01))
    assert len(gate.slice_reasons(rule, {"accuracy": 0.9}, parts)) == 2


def test_a_small_slice_is_only_reported() -> None:
    """A slice of fewer rows than the minimum decides nothing."""
    rule = Slices(metric="accuracy", at_least=0.8, minimum_rows=20)
    assert gate.slice_reasons(rule, {"accuracy": 0.9}, table(("tiny", 19, 0.0))) == []


def test_a_metric_that_nobody_computes_is_an_error() -> None:
    """A rule about an unknown metric is never silently kept."""
    with pytest.raises(InputError, match="accuracy"):
        gate.slice_reasons(Slices(metric="glory"), {"accuracy": 1.0}, table(("a", 50, 1.0)))
    with pytest.raises(InputError, match="accuracy"):
        gate.floor_reasons({"glory": Bound(at_least=1)}, {"accuracy": 1.0})


def test_latency_has_a_ceiling() -> None:
    """A model that is slower than allowed is refused; one whose time is not a number too."""
    assert gate.latency_reasons(10, 20) == []
    assert gate.latency_reasons(30, 20) == ["latency: 30 ms for one row, at most 20 ms required"]
    assert gate.latency_reasons(float("nan"), 20)
