"""What the tests that every project type has need to know about questions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from handbook_assistant import schema

Spoil = Callable[[pd.DataFrame], pd.DataFrame]

# Rows may come as CSV.
TEXT = True
# How far a number of an answer may be from that of the same question in another batch.
TOLERANCE = 1e-9
# Words of the reason of a row that no longer fits.
MISFIT = "a question of 1 to"
# Words of a reason to retrain for rows that have moved.
SHIFTED = "as a whole"

_OTHER = ("Sonne", "Regen", "Nebel", "Wind", "Schnee", "Hagel", "Frost")
_PLACES = ("Küste", "Berge", "Täler", "Ebene", "Inseln")


def misfit(rows: pd.DataFrame, position: int) -> pd.DataFrame:
    """The rows, of which one asks nothing."""
    spoilt = rows.copy()
    spoilt.iloc[position, list(rows.columns).index(schema.QUESTION)] = "  "
    return spoilt


def shifted(rows: pd.DataFrame) -> pd.DataFrame:
    """Questions about something else, in another language."""
    return rows.assign(**{schema.QUESTION: [_forecast(number) for number in range(len(rows))]})


def _forecast(number: int) -> str:
    today, place = _OTHER[number % 7], _PLACES[number % 5]
    return (
        f"Wird heute {today} über die {place} hinwegziehen, und was bringt der morgige Tag außer {_OTHER[number % 3]}?"
    )


def damage(folder: Path) -> None:
    """Cut the index short."""
    path = next((folder / "data").rglob("index.sqlite"))
    path.write_bytes(path.read_bytes()[:5000])


# Tables that can't be used, and what is said of them.
BAD_TABLES: dict[str, tuple[Spoil, str]] = {
    "nothing expected": (lambda rows: rows.assign(**{schema.TARGET: "often"}), "JSON of what is expected"),
    "no questions": (lambda rows: rows.assign(**{schema.QUESTION: ""}), MISFIT),
    "long questions": (lambda rows: rows.assign(**{schema.QUESTION: "why " * 1000}), "4002 characters"),
}
