"""Where rows come from in a project of this type: questions are versioned with the code, the source holds documents."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from handbook_assistant import ingest, questions

# Folders at the project's root that a run needs beside its configuration.
VERSIONED = ("evals", "prompts")


def raw(folder: Path) -> pd.DataFrame:
    """The golden questions of a project, as they are read."""
    return questions.golden(folder / "evals/golden.jsonl")


def given(file: str) -> list[str]:
    """How `pipeline prepare` is given a table of questions."""
    return ["--set", f"prepare.golden={file}"]


def mislead(prepared: Path) -> None:
    """Give each document the text of another one."""
    path = prepared / ingest.FILES[0]
    table = pd.read_parquet(path)
    table["sections"] = table["sections"].to_numpy()[::-1]
    table["title"] = [f"Document {number}" for number in range(len(table))]
    assert all(json.loads(text) for text in table["sections"])
    table.to_parquet(path)
