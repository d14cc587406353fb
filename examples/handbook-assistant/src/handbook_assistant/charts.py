"""Charts that every project type has. Figures are built without pyplot, which keeps global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from .drift import Drift

COLOR, WARNING = "#33658a", "#c8553d"


def save(figures: Mapping[str, Figure], folder: Path) -> None:
    """Write each figure as NAME.png."""
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)


def bars(values: pd.Series, label: str, limit: float | None = None, above_is_bad: bool = False) -> Figure:
    """Horizontal bars, the first value on top; those beyond `limit` stand out.

    Args:
        values: lengths by name.
        label: what the length means, with its unit.
        limit: drawn as a line.
        above_is_bad: whether the bad side of the limit is above it.
    """
    figure = Figure(figsize=(7, 1.2 + 0.28 * len(values)), layout="constrained")
    axes = figure.subplots()
    bad = pd.Series(False, values.index) if limit is None else (values > limit if above_is_bad else values < limit)
    axes.barh([str(name) for name in values.index], values, color=[WARNING if flag else COLOR for flag in bad])
    if limit is not None:
        axes.axvline(limit, color="black", linestyle="--", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    return figure


def slices(table: pd.DataFrame, metric: str, at_least: float | None, at_most: float | None) -> Figure:
    """The metric of each slice, with its floor."""
    names = table["slice"] + " (n = " + table["rows"].astype(str) + ")"
    limit = at_least if at_least is not None else at_most
    return bars(table[metric].set_axis(names), metric, limit, above_is_bad=at_least is None)


def drift(columns: Sequence[Drift], psi_at_most: float) -> Figure:
    """The population stability index of each column, largest first."""
    values = pd.Series({column.column: column.psi for column in columns}).sort_values(ascending=False)
    return bars(values, "population stability index", psi_at_most, above_is_bad=True)
