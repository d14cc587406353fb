"""The model card, made from the files of a report alone, so that its numbers can't differ from theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

PICTURES = "plots"
MARKS = re.compile(r"[\\`*\[\]<>|!]")


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnostics.py` finds out about a model.

    Args:
        metrics: numbers that the gate's floors may name, too.
        tables: for the card, by title.
        figures: for the card, by name.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)


def card(
    name: str,
    metrics: Mapping[str, float],
    slices: Sequence[Mapping[str, Any]],
    diagnostics: Mapping[str, Sequence[Mapping[str, Any]]],
    gate: Mapping[str, Any],
    plots: Iterable[str],
) -> str:
    """A model card in Markdown.

    Args:
        name: the model's name.
        metrics: content of metrics.json.
        slices: content of slices.json.
        diagnostics: content of diagnostics.json.
        gate: content of gate.json.
        plots: names of the pictures in the folder plots/ beside the card.
    """
    sections = [
        f"# {name}",
        _verdict(gate),
        "What the model is for, and what it is not for: see docs/model.md.",
        "## Metrics on the test set",
        _table(["metric", "value"], [[key, _number(value)] for key, value in metrics.items()]),
        "## Compared with the champion",
        _comparison(gate["comparison"]),
        "## Slices",
        _records(slices) if slices else "No slices are defined.",
        *(f"## {title}\n\n{_records(records)}" for title, records in diagnostics.items() if records),
        "## Plots",
        "\n\n".join(f"![{plot}]({PICTURES}/{plot}.png)" for plot in plots),
        "## Provenance",
        _table(["what", "value"], [["model digest", gate["model"]["digest"]], ["test rows", gate["rows"]]]),
    ]
    return "\n\n".join(sections) + "\n"


def _verdict(gate: Mapping[str, Any]) -> str:
    if gate["passed"]:
        return "The gate **passed**."
    return "The gate **refused** this model:\n\n" + "\n".join(f"- {reason}" for reason in gate["reasons"])


def _comparison(comparison: Mapping[str, Any] | None) -> str:
    if comparison is None:
        return "There was no champion yet: the first model needs only the floors."
    rows = [[key, _number(comparison[key])] for key in ("difference", "lower", "upper", "margin")]
    return f"Mean loss of this model minus the champion's, lower is better.\n\n{_table(['what', 'value'], rows)}"


def _records(records: Sequence[Mapping[str, Any]]) -> str:
    return _table(list(records[0]), [[_number(value) for value in record.values()] for record in records])


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: object) -> str:
    """A text on one line that Markdown takes for nothing else: tables may hold what people wrote."""
    return MARKS.sub(r"\\\g<0>", " ".join(str(value).split()))


def _number(value: object) -> str:
    if value is None or value != value:
        return "not defined"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
