"""Parting rows for training, validation and test.

A row's part follows from its group (or its time) alone, never from chance: the same rows are tested after
each new delivery, and no group lies on both sides.
"""

from __future__ import annotations

import hashlib

import pandas as pd

from . import rows, schema
from .errors import InputError
from .parameters import Prepare

PARTS = ("train", "validation", "test")


def split(frame: pd.DataFrame, settings: Prepare) -> dict[str, pd.DataFrame]:
    """Part n checked rows by the position in [0, 1) that their group or time gives them; the end is for testing.

    Raises:
        InputError: a part is empty, or breaks a rule of the schema about whole tables.
    """
    position = _by_time(frame) if settings.split == "time" else _by_group(frame)
    edges = [0, 1 - settings.validation - settings.test, 1 - settings.test, 1]
    parts = {name: frame[(position >= low) & (position < high)]
             for name, low, high in zip(PARTS, edges, edges[1:], strict=False)}  # fmt: skip
    for name, part in parts.items():
        _usable(name, part)
    return parts


def _by_group(frame: pd.DataFrame) -> pd.Series:
    """A hash of the group as a share of the hash's range: the same on every machine and in every version."""
    return frame[schema.GROUP].astype(str).map(_share)


def _by_time(frame: pd.DataFrame) -> pd.Series:
    """The share of rows that are older; rows of one moment stay together."""
    if schema.TIME is None:
        raise InputError("prepare.split is time, but schema.py names no TIME column: name it, or split by group")
    return (frame[schema.TIME].rank(method="min") - 1) / len(frame)


def _share(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _usable(name: str, part: pd.DataFrame) -> None:
    if part.empty:
        raise InputError(f"no rows for {name}: give more rows, or change prepare.validation and prepare.test")
    try:
        rows.check(part, schema.ROWS)
    except InputError as error:
        raise InputError(f"{name} rows: {error}") from error
