"""What the tests that every project type has need to know about texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ticket_router import schema

Spoil = Callable[[pd.DataFrame], pd.DataFrame]

# Rows may come as CSV.
TEXT = True
# How far a probability may be from that of the same row in another batch.
TOLERANCE = 1e-12
# Words of the reason of a row that no longer fits.
MISFIT = "a text with letters"
# Words of a reason to retrain for rows that have moved.
SHIFTED = "as a whole"

_OTHER = ("Sonne", "Regen", "Nebel", "Wind", "Schnee", "Hagel", "Frost")
_PLACES = ("Küste", "Berge", "Täler", "Ebene", "Inseln")


def misfit(rows: pd.DataFrame, position: int) -> pd.DataFrame:
    """The rows, of which one is all digits."""
    spoilt = rows.copy()
    spoilt.iloc[position, list(rows.columns).index("text")] = "12345 / 678"
    return spoilt


def shifted(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows about something else, in another language."""
    return rows.assign(text=[_forecast(number) for number in range(len(rows))])


def _forecast(number: int) -> str:
    today, tomorrow, place = _OTHER[number % 7], _OTHER[number // 7 % 7], _PLACES[number % 5]
    return f"Heute {today} über die {place} hinweg, morgen gebietsweise {tomorrow}, sonst kaum verändert."


def damage(folder: Path) -> None:
    """Cut the model's largest file short."""
    largest = max((folder / "data").rglob("model.*"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:100])


# Tables that can't be used, and what is said of them.
BAD_TABLES: dict[str, tuple[Spoil, str]] = {
    "one target": (lambda rows: rows.assign(**{schema.TARGET: schema.CLASSES[0]}), "only"),
    "unknown labels": (lambda rows: rows.assign(**{schema.TARGET: "never seen"}), "'never seen'"),
    "rare labels": (lambda rows: rows.groupby(schema.TARGET).head(schema.FEWEST - 1), "a label of at least"),
    "no letters": (lambda rows: rows.assign(text="?!"), MISFIT),
    "no source": (lambda rows: rows.assign(source="pigeon"), "'pigeon'"),
    "labels of a model": (lambda rows: rows.assign(**{schema.LABELLED_BY: "model"}), "that a person has given"),
}
