"""Write the sample documents, and questions that people ask, where raw documents are expected."""

from __future__ import annotations

from pathlib import Path

from .. import sample as matter
from ..errors import InputError
from ..folders import writing
from ..progress import say, stage


def sample(source: Path) -> None:
    """Write the sample into a folder that holds nothing yet.

    Raises:
        InputError: there are files already; they may be the team's.
    """
    if source.exists() and (source.is_file() or any(source.iterdir())):
        raise InputError(f"{source} is not empty: nothing is overwritten; choose another folder with --source")
    with stage("sample"), writing(source) as folder:
        documents = matter.documents()
        for name, content in documents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        matter.asked().to_csv(folder / "questions.csv", index=False)
    say(f"sample: {len(documents)} documents in {source}")
