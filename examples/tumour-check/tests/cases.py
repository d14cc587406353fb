"""What the tests that every project type has need to know about these rows, derived from the schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tumour_check import sample, schema

Spoil = Callable[[pd.DataFrame], pd.DataFrame]

_INPUTS = schema.inputs(sample.rows().head(1))
CATEGORY = str(_INPUTS.select_dtypes("object").columns[0])
NUMBERS = list(map(str, _INPUTS.select_dtypes("number").columns))
# Rows may come as CSV.
TEXT = True
# How far a probability may be from that of the same row in another batch.
TOLERANCE = 1e-12
# Words of the reason of a row that no longer fits.
MISFIT = "never seen"
# Words of a reason to retrain for rows that have moved.
SHIFTED = NUMBERS[0]

# Tables that can't be used, and what is said of them.
BAD_TABLES: dict[str, tuple[Spoil, str]] = {
    "wrong type": (lambda rows: rows.assign(**{NUMBERS[0]: "many"}), "'many'"),
    "one target": (lambda rows: rows.assign(**{schema.TARGET: rows[schema.TARGET].iloc[0]}), "only"),
    "unseen category": (lambda rows: rows.assign(**{CATEGORY: "never seen"}), "'never seen'"),
}


def misfit(rows: pd.DataFrame, position: int) -> pd.DataFrame:
    """The rows, of which one no longer fits."""
    spoilt = rows.copy()
    spoilt.iloc[position, list(rows.columns).index(CATEGORY)] = "never seen"
    return spoilt


def shifted(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose numbers have all moved."""
    return rows.assign(**{name: rows[name] * 1.2 for name in NUMBERS})


def damage(folder: Path) -> None:
    """Cut the model's largest file short."""
    largest = max(folder.glob("model.*"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:100])
