"""How well proposed labels agree with those of people, on the same rows.

An abstention counts as a disagreement: a label that is not proposed has to be given by somebody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

# What stands for an abstention among the labels.
NONE = "(none)"
RESAMPLES = 2000

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Intent:
    """One label: in how many of the proposals it is right, and in how many of its rows it was proposed."""

    intent: str
    precision: float
    recall: float
    rows: int


@dataclass(frozen=True)
class Confusion:
    """How many rows people gave one label and got another proposed."""

    human: str
    proposed: str
    rows: int


@dataclass(frozen=True)
class Agreement:
    """Of n rows: shares of equal labels and of abstentions, Cohen's kappa with its 95 % interval, and the details."""

    rows: int
    accuracy: float
    abstained: float
    kappa: float
    lower: float
    upper: float
    intents: tuple[Intent, ...]
    confusions: tuple[Confusion, ...]


def compare(human: Sequence[str], proposed: Sequence[str | None], seed: int = 0) -> Agreement:
    """Compare n labels of people with n proposals, None where there is none.

    Kappa is not a number when both sides use one and the same label only. Its interval is a bootstrap over the rows.
    """
    answers = pd.Series([NONE if label is None else label for label in proposed])
    table = pd.crosstab(pd.Series(human), answers)
    labels = sorted({*table.index, *table.columns})
    counts = table.reindex(index=labels, columns=labels, fill_value=0).to_numpy(dtype=float)
    lower, upper = _interval(counts, seed)
    return Agreement(
        rows=len(human),
        accuracy=float(np.trace(counts) / counts.sum()),
        abstained=float((answers == NONE).mean()),
        kappa=float(kappa(counts)),
        lower=lower,
        upper=upper,
        intents=tuple(_intent(label, place, counts) for place, label in enumerate(labels) if label in table.index),
        confusions=_confusions(labels, counts),
    )


def kappa(counts: Counts) -> Counts:
    """Cohen's kappa of one k x k table of counts, or of each of m in an m x k x k array.

    Source: Cohen, A coefficient of agreement for nominal scales (1960).
    """
    total = counts.sum(axis=(-2, -1))
    observed = np.trace(counts, axis1=-2, axis2=-1) / total
    expected = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1) / total**2
    with np.errstate(invalid="ignore"):
        return np.asarray((observed - expected) / (1 - expected))


def markdown(agreement: Agreement, model: str, prompt: str, at_least: float) -> str:
    """What goes into agreement.md, for a person who decides whether to trust the proposals.

    Args:
        agreement: what was found.
        model: the name of the model that proposed.
        prompt: the hash of the prompt.
        at_least: the kappa that was asked for.
    """
    verdict = "enough" if agreement.kappa >= at_least else "**too little**"
    lines = [
        "# Agreement with people",
        "",
        f"`{model}` with the prompt {prompt}, on {agreement.rows} rows that people have labelled.",
        "",
        f"Cohen's kappa is **{agreement.kappa:.3f}** (95 % interval {agreement.lower:.3f} to {agreement.upper:.3f}), "
        f"{verdict}: {at_least:g} was asked for. Labels are equal in {agreement.accuracy:.1%} of the rows; in "
        f"{agreement.abstained:.1%} there was no usable answer.",
        "",
        "| intent | precision | recall | rows |",
        "| --- | --- | --- | --- |",
        *(f"| {one.intent} | {_share(one.precision)} | {one.recall:.2f} | {one.rows} |" for one in agreement.intents),
        "",
        "| people say | the model says | rows |",
        "| --- | --- | --- |",
        *(f"| {one.human} | {one.proposed} | {one.rows} |" for one in agreement.confusions),
    ]
    return "\n".join(lines) + "\n"


def _interval(counts: Counts, seed: int) -> tuple[float, float]:
    """Resampling the rows is drawing the cells of the table again."""
    rows = int(counts.sum())
    drawn = np.random.default_rng(seed).multinomial(rows, counts.ravel() / rows, size=RESAMPLES)
    lower, upper = np.nanquantile(kappa(drawn.reshape(-1, *counts.shape).astype(float)), [0.025, 0.975])
    return float(lower), float(upper)


def _intent(label: str, place: int, counts: Counts) -> Intent:
    right, given, proposed = counts[place, place], counts[place].sum(), counts[:, place].sum()
    return Intent(label, float(right / proposed) if proposed else float("nan"), float(right / given), int(given))


def _confusions(labels: Sequence[str], counts: Counts) -> tuple[Confusion, ...]:
    """The most frequent first."""
    wrong = counts - np.diag(np.diag(counts))
    found = [Confusion(labels[row], labels[column], int(wrong[row, column])) for row, column in np.argwhere(wrong)]
    return tuple(sorted(found, key=lambda one: (-one.rows, one.human, one.proposed)))


def _share(value: float) -> str:
    return "never proposed" if np.isnan(value) else f"{value:.2f}"
