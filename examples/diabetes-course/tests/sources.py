"""Where rows come from in a project of this type: the source holds all that there is to learn from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from diabetes_course import rows, schema

# Folders at the project's root that a run needs beside its configuration.
VERSIONED: tuple[str, ...] = ()


def raw(folder: Path) -> pd.DataFrame:
    """The sample rows of a project, as they are read from the source."""
    return rows.read(folder / "data/raw")


def given(file: str) -> list[str]:
    """How `pipeline prepare` is given a table of rows."""
    return ["--source", file]


def mislead(prepared: Path) -> None:
    """Shuffle the targets of the rows to learn from."""
    path = prepared / "train.parquet"
    table = pd.read_parquet(path)
    table[schema.TARGET] = table[schema.TARGET].sample(frac=1, random_state=0).to_numpy()
    table.to_parquet(path)
