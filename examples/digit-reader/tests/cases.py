"""What the tests that every project type has need to know about pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pictures

from digit_reader import schema

Spoil = Callable[[pd.DataFrame], pd.DataFrame]

# The bytes of a picture do not go through a text file.
TEXT = False
# How far a probability may be from that of the same row in another batch, which ONNX Runtime may sum in another order.
TOLERANCE = 1e-6
# Words of the reason of a row that no longer fits.
MISFIT = schema.WHOLE
# Words of a reason to retrain for rows that have moved.
SHIFTED = "contrast"


def misfit(rows: pd.DataFrame, position: int) -> pd.DataFrame:
    """The rows, of which one picture is cut short."""
    contents = rows[schema.CONTENT].tolist()
    contents[position] = pictures.cut(contents[position])
    return rows.assign(**{schema.CONTENT: contents})


def shifted(rows: pd.DataFrame) -> pd.DataFrame:
    """The same pictures in half of the light."""
    return rows.assign(**{schema.CONTENT: rows[schema.CONTENT].map(_darker)})


def _darker(content: bytes) -> bytes:
    return pictures.changed(content, lambda picture: picture.point(lambda value: value // 2))


def damage(folder: Path) -> None:
    """Cut the model's largest network short."""
    largest = max(folder.rglob("*.onnx"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:100])


# Tables that can't be used, and what is said of them.
BAD_TABLES: dict[str, tuple[Spoil, str]] = {
    "one target": (lambda rows: rows.assign(**{schema.TARGET: schema.CLASSES[0]}), "only"),
    "unknown labels": (lambda rows: rows.assign(**{schema.TARGET: "never seen"}), "'never seen'"),
    "texts for pictures": (lambda rows: rows.assign(**{schema.CONTENT: "3/0017.png"}), schema.FILLED),
    "broken pictures": (lambda rows: rows.assign(**{schema.CONTENT: rows[schema.CONTENT].map(pictures.cut)}), MISFIT),
}
