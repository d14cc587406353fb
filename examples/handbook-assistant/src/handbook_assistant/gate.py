"""Whether a model may be registered. The answer is a list of reasons, empty when it may.

The champion is compared on the same rows by a paired bootstrap. A test set can tell two models apart only as
well as its size allows, so the margin follows from the size: with it an equally good model of independent
errors passes four times in five, and one that is worse by the margin two or three times in a hundred.
A kind of model that costs more to serve than the champion has to be better, beyond doubt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import InputError
from .settings import Bound, Gate, Slices

Losses = npt.NDArray[np.float64]

# 1.96 for the 95 % interval plus 0.84 for the four in five: the usual sum of significance and power
# (Chow, Shao, Wang and Lokhnygina, Sample Size Calculations in Clinical Research, non-inferiority).
MARGIN_IN_STANDARD_ERRORS = 2.8


@dataclass(frozen=True)
class Comparison:
    """The candidate's mean loss minus the champion's, its 95 % interval, and what is allowed."""

    difference: float
    lower: float
    upper: float
    margin: float
    rows: int
    must_win: bool = False

    @property
    def passed(self) -> bool:
        """The loss is higher by no more than the margin, or lower where it must be, at 97.5 % confidence."""
        return self.upper < 0 if self.must_win else self.upper <= self.margin


def decide(
    gate: Gate,
    metrics: Mapping[str, float],
    slices: pd.DataFrame,
    latency_ms: float,
    comparison: Comparison | None,
) -> list[str]:
    """The reasons to refuse a model; none when it passes.

    Args:
        gate: the settings.
        metrics: values on the whole test set, by name.
        slices: one row a slice: `slice`, `rows`, and a column for each metric.
        latency_ms: 95th percentile of the time for one row.
        comparison: with the champion; None for the first model, which needs only the floors.

    Raises:
        InputError: the settings name a metric that is not computed.
    """
    return [
        *floor_reasons(gate.floors, metrics),
        *slice_reasons(gate.slices, metrics, slices),
        *latency_reasons(latency_ms, gate.latency.at_most_ms),
        *(champion_reasons(comparison) if comparison else []),
    ]


def floor_reasons(floors: Mapping[str, Bound], metrics: Mapping[str, float]) -> list[str]:
    """One reason for each metric outside its bounds. A value that is not a number is outside."""
    return [
        f"{name}: {metrics[name]:.4g}, {words} required"
        for name, bound in floors.items()
        for words in outside(_known(metrics, name), bound.at_least, bound.at_most)
    ]


def slice_reasons(rule: Slices, metrics: Mapping[str, float], slices: pd.DataFrame) -> list[str]:
    """One reason for each slice of enough rows that is outside the bounds or too far from the whole."""
    whole = _known(metrics, rule.metric)
    reasons = []
    for part in slices[slices["rows"] >= rule.minimum_rows].to_dict("records"):
        value = part[rule.metric]
        words = outside(value, rule.at_least, rule.at_most)
        if rule.largest_gap is not None and not abs(value - whole) <= rule.largest_gap:
            words.append(f"within {rule.largest_gap:.4g} of the whole test set's {whole:.4g}")
        reasons += [f"slice {part['slice']}: {rule.metric} {value:.4g}, {text} required" for text in words]
    return reasons


def latency_reasons(latency_ms: float, at_most_ms: float) -> list[str]:
    """A reason when one row takes too long."""
    if latency_ms <= at_most_ms:
        return []
    return [f"latency: {latency_ms:.0f} ms for one row, at most {at_most_ms:.0f} ms required"]


def champion_reasons(comparison: Comparison) -> list[str]:
    """A reason when the candidate may be worse than the champion by more than the margin."""
    if comparison.passed:
        return []
    allowed = f"at most {comparison.margin:.4g} allowed"
    if comparison.must_win:
        allowed = "it must be lower, since this kind of model costs more to serve,"
    return [
        f"champion: mean loss higher by {comparison.difference:.4g} "
        f"(95 % interval {comparison.lower:.4g} to {comparison.upper:.4g}), {allowed} on {comparison.rows} rows"
    ]


def outside(value: float, at_least: float | None, at_most: float | None) -> list[str]:
    """The bounds that `value` does not keep, in words. Written so that not-a-number keeps none."""
    words = []
    if at_least is not None and not value >= at_least:
        words.append(f"at least {at_least:.4g}")
    if at_most is not None and not value <= at_most:
        words.append(f"at most {at_most:.4g}")
    return words


def compare(
    candidate: Losses, champion: Losses, resamples: int, seed: int = 0, *, must_win: bool = False
) -> Comparison:
    """Paired bootstrap of the difference of mean losses on the same rows, in the same order.

    Args:
        candidate: loss of each of n rows, lower is better.
        champion: the same rows' losses.
        resamples: number of bootstrap resamples.
        must_win: whether being no worse is not enough.
    """
    differences = np.asarray(candidate, float) - np.asarray(champion, float)
    means = bootstrap_means(differences, resamples, seed)
    lower, upper = np.quantile(means, [0.025, 0.975])
    allowed = margin(champion, candidate)
    return Comparison(float(differences.mean()), float(lower), float(upper), allowed, len(differences), must_win)


def bootstrap_means(values: Losses, resamples: int, seed: int) -> Losses:
    """Means of resamples with replacement, in batches so that memory stays below about 80 MB."""
    generator = np.random.default_rng(seed)
    n = len(values)
    batch = max(1, 10_000_000 // n)
    sizes = [min(batch, resamples - start) for start in range(0, resamples, batch)]
    return np.concatenate([values[generator.integers(0, n, (size, n))].mean(axis=1) for size in sizes])


def margin(champion: Losses, candidate: Losses) -> float:
    """How much higher the candidate's mean loss may be, from the spread of the champion's losses.

    The standard error of the difference of two equal models with independent errors is sqrt(2 var / n). Where
    the champion makes no error at all, up to three in n are still plausible (Hanley and Lippman-Hand, If nothing
    goes wrong, is everything all right?, 1983), of the size of the candidate's largest.
    """
    n = len(champion)
    variance = float(np.var(champion)) or 3 / n * float(np.max(candidate, initial=0.0)) ** 2
    return MARGIN_IN_STANDARD_ERRORS * math.sqrt(2 * variance / n)


def _known(metrics: Mapping[str, float], name: str) -> float:
    if name not in metrics:
        raise InputError(f"the gate names metric {name}, which is not computed: choose among {', '.join(metrics)}")
    return metrics[name]
