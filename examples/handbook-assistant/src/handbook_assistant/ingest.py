"""Documents between reading and searching: what is known already is not read again, and what is written is parquet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from . import documents
from .documents import Rejected, Version
from .errors import InputError
from .schema import Document, Section

FOLDER = "corpus"
FILES = (f"{FOLDER}/documents.parquet", f"{FOLDER}/rejected.parquet")
LISTS = {"groups", "sections"}
# Other code may understand the same bytes otherwise.
READER = hashlib.sha256(Path(documents.__file__).read_bytes()).hexdigest()


@dataclass(frozen=True)
class Corpus:
    """The documents of a source, and the files that are none, each once; how many were read anew."""

    documents: list[Document]
    rejected: list[Rejected]
    read: int


def read(source: Path, known: Mapping[Version, Document], count: Callable[[int], object] = int) -> Corpus:
    """Read the documents below a folder, but for those that have not changed.

    Args:
        source: folder or file.
        known: what `known` returned.
        count: is told of each file that is done.

    Raises:
        InputError: there is no document, or a file can't be read.
    """
    found: list[Document] = []
    rejected: list[Rejected] = []
    fresh = 0
    for one in documents.read(source, known):
        if isinstance(one, Rejected):
            rejected.append(one)
        else:
            found.append(one)
            fresh += known.get((one.id, one.digest)) is not one
        count(1)
    return Corpus(found, rejected, fresh)


def known(data: Path) -> dict[Version, Document]:
    """The documents that this code has prepared before; none where there are none, or only those of other code."""
    try:
        table = _table(data)
        ours = set(table["reader"]) == {READER}
        return {(one.id, one.digest): one for one in _documents(table, data)} if ours else {}
    except (InputError, KeyError):
        return {}


def write(corpus: Corpus, folder: Path) -> None:
    """Write documents and rejected files below a folder of prepared rows."""
    (folder / FOLDER).mkdir()
    columns = list(Document.__dataclass_fields__)
    table = pd.DataFrame([_flat(one) for one in corpus.documents], columns=columns, dtype="string")
    table.assign(reader=READER).to_parquet(folder / FILES[0], index=False)
    bad = pd.DataFrame([vars(one) for one in corpus.rejected], columns=["id", "reason"], dtype="string")
    bad.to_parquet(folder / FILES[1], index=False)


def prepared(data: Path) -> list[Document]:
    """The documents that `pipeline prepare` wrote.

    Raises:
        InputError: they are missing or damaged.
    """
    return _documents(_table(data), data)


def _table(data: Path) -> pd.DataFrame:
    path = data / FILES[0]
    if not path.is_file():
        raise InputError(f"no prepared documents in {path}: run `pipeline prepare` first, or give --data its folder")
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:  # Arrow's are such
        raise _damaged(data, error) from error


def _documents(table: pd.DataFrame, data: Path) -> list[Document]:
    try:
        return [_document(record) for record in table.drop(columns="reader").to_dict("records")]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(data, error) from error


def _damaged(data: Path, error: Exception) -> InputError:
    return InputError(f"{data / FILES[0]} is damaged ({type(error).__name__}): run `pipeline prepare` again")


def _flat(document: Document) -> dict[str, str]:
    sections = [[list(section.heading), section.text] for section in document.sections]
    lists = {"groups": json.dumps(document.groups), "sections": json.dumps(sections)}
    return {**vars(document), **lists}


def _document(record: Mapping[Any, str]) -> Document:
    values = {name: value for name, value in record.items() if name not in LISTS}
    sections = tuple(Section(tuple(heading), text) for heading, text in json.loads(record["sections"]))
    return Document(**values, groups=tuple(json.loads(record["groups"])), sections=sections)
