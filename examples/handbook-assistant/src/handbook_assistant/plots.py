"""What people would rather look at than read, for the report."""

from __future__ import annotations

import json
from operator import itemgetter

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import charts, flavor, metrics, questions, schema

DEEPEST = 10
OUTCOMES = {"answered": charts.COLOR, "abstained": "#b8b8b8", "refused": charts.WARNING}


# Every type's figures are asked for with the same words; these need no model.
def figures(model: flavor.Model, inputs: pd.DataFrame, actual: pd.Series, predicted: pd.DataFrame) -> dict[str, Figure]:  # noqa: ARG001
    """The figures of a report by name.

    Args:
        model: the chain.
        inputs: the n questions for testing.
        actual: what is expected of each.
        predicted: its answers to them.
    """
    expected = actual.map(schema.expected)
    return {
        "outcomes": outcomes(expected, predicted),
        "recall": recall(expected, predicted),
        "relevance": relevance(expected, predicted),
    }


def outcomes(expected: pd.Series, predicted: pd.DataFrame) -> Figure:
    """What became of the questions of each kind."""
    shares = pd.crosstab(expected.map(lambda found: found["kind"]), predicted["prediction"], normalize="index")
    shares = shares.reindex(columns=list(OUTCOMES), fill_value=0.0)
    figure = Figure(figsize=(7, 1.4 + 0.35 * len(shares)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(shares))
    for name, color in OUTCOMES.items():
        axes.barh(shares.index, shares[name], left=left, color=color, label=name)
        left += shares[name].to_numpy()
    axes.invert_yaxis()
    axes.set(xlabel="share of the questions", xlim=(0, 1))
    figure.legend(loc="outside upper center", ncols=len(OUTCOMES))
    return figure


def recall(expected: pd.Series, predicted: pd.DataFrame) -> Figure:
    """The share of the documents with the answer among the first so many that were found, for each kind of question."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    depths = np.arange(1, DEEPEST + 1)
    kinds = expected.map(itemgetter("kind"))
    for kind in schema.ANSWERABLE:
        chosen = kinds == kind
        if chosen.any():
            pairs = list(zip(expected[chosen], predicted.loc[chosen, "found"].map(json.loads), strict=True))
            shares = [np.mean([_held(one["documents"], found[:depth]) for one, found in pairs]) for depth in depths]
            axes.plot(depths, shares, "o-", label=f"{kind} (n = {len(pairs)})")
    axes.set(xlabel="documents found", ylabel="recall", ylim=(0, 1.02))
    axes.set_xticks(depths)
    axes.legend(loc="lower right")
    return figure


def _held(wanted: list[str], found: list[str]) -> float:
    return sum(document in found for document in wanted) / len(wanted)


def relevance(expected: pd.Series, predicted: pd.DataFrame) -> Figure:
    """How relevant the best passage is to questions with an answer and without: where they overlap, abstention errs."""
    known = expected.map(lambda found: found["topic"] != questions.ATTACK)
    nothing = expected.map(lambda found: found["kind"] == schema.UNANSWERABLE)
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(0, 1, 26).tolist()
    for chosen, label, color in (
        (known & ~nothing, "with an answer", charts.COLOR),
        (known & nothing, "without", charts.WARNING),
    ):
        values = predicted.loc[chosen, "relevance"]
        axes.hist(values, edges, color=color, alpha=0.7, label=f"{label} (n = {len(values)})")
    answered = predicted["prediction"] == metrics.ANSWERED
    if answered.any():
        lowest = predicted.loc[answered, "relevance"].min()
        axes.axvline(lowest, color="black", linestyle="--", linewidth=1, label="lowest that was answered")
    axes.set(xlabel="relevance of the best passage", ylabel="questions")
    axes.legend()
    return figure
