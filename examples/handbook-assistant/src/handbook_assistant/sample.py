"""What a new project starts with: documents about machine learning in operation, and about this project itself."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import pandas as pd

from . import questions, schema

# Documents of the team that answer its golden questions, and that git may hold: where they are, they are the sample.
OWN = Path("evals/documents")
GOLDEN = Path("evals/golden.jsonl")


def documents() -> dict[str, bytes]:
    """The sample documents by their path: those of the team, or those that came along."""
    return dict(sorted(_below(OWN if OWN.is_dir() else files(__package__) / "corpus", "")))


def _below(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _below(entry, f"{path}{entry.name}/")
        else:
            found.append((f"{path}{entry.name}", entry.read_bytes()))
    return found


def asked() -> pd.DataFrame:
    """Questions as `pipeline score` and `pipeline monitor` read them: the golden ones, until people have asked others.

    Raises:
        InputError: there are none.
    """
    return questions.golden(GOLDEN)[[schema.ID, schema.QUESTION, schema.GROUPS]]
