"""What Spark's Python workers run: Arrow batches of raw rows in, batches of scored rows out. Needs no Spark itself.

It lies in the package, on every platform, because a worker imports functions by their module's name, and keeps a
module, and with it the model, for all tasks that it runs.
"""

from __future__ import annotations

import atexit
import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pyarrow.csv as csv

from . import models, rows, scoring

# A model travels inside the query's plan, of which Spark Connect takes 128 MiB. A larger one waits in a folder.
MEBIBYTES = 64
# The columns of a scored row. One of the two is null: a row was predicted, or it was set aside.
PREDICTION, REJECTED = "prediction", "rejected"
# In each, a field that is never null where the column is not.
ALWAYS = {PREDICTION: "model_version", REJECTED: rows.REASON}


class Form(Enum):
    """What Spark has read: a table with types, text files of which it knows texts only, or files of one row each."""

    TYPED = auto()
    TEXT = auto()
    FILES = auto()


@dataclass(frozen=True)
class Job:
    """What a worker needs to score.

    Args:
        model: the model's folder, zipped, or the path where each worker finds it; see `packed`.
        version: what to call the model.
        chunk_rows: as many rows at once, at most.
        form: what the rows were read from. Files come in columns `path` and `content`.
        root: the folder that the ids of files are relative to.
    """

    model: bytes | str
    version: str
    chunk_rows: int
    form: Form = Form.TYPED
    root: str = ""

    def __call__(self, batches: Iterable[arrow.RecordBatch]) -> Iterator[arrow.RecordBatch]:
        """Score the batches of a task; for `DataFrame.mapInArrow`."""
        predict = _opened(self.model)
        for chunk in _chunks(batches, self.chunk_rows):
            yield _batch(scoring.score(self._rows(chunk), predict, self.version))

    def _rows(self, chunk: arrow.Table) -> pd.DataFrame:
        if self.form is Form.TEXT:
            return _parsed(chunk)
        return _from_files(chunk, self.root) if self.form is Form.FILES else chunk.to_pandas()

    def schema(self) -> arrow.Schema:
        """The columns and types of what comes out."""
        return _batch(scoring.nothing(_opened(self.model))).schema


def packed(folder: Path, shared: Path) -> bytes | str:
    """A model as a query can carry it: its files, zipped, or when they are too large the path of a copy.

    Args:
        folder: the model's.
        shared: a folder that every worker sees, for the copy. It must not be there yet.

    Raises:
        InputError: there is no model.
    """
    models.digest(folder)
    if sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) > MEBIBYTES * 2**20:
        # Without the times and rights of files, which a volume does not keep.
        return str(shutil.copytree(folder, shared, copy_function=shutil.copyfile).resolve())
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return content.getvalue()


@lru_cache(maxsize=1)
def _opened(model: bytes | str) -> models.Predict:
    if isinstance(model, str):
        return models.opened(Path(model))
    folder = Path(tempfile.mkdtemp(prefix="model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # a model with code of its own runs from its folder
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        archive.extractall(folder)
    return models.opened(folder)


def _chunks(batches: Iterable[arrow.RecordBatch], size: int) -> Iterator[arrow.Table]:
    """The rows in pieces of `size`. Spark sends 10,000 at once, and scoring those one by one takes twice the time."""
    waiting, number = [], 0
    for batch in batches:
        waiting.append(batch)
        number += batch.num_rows
        while number >= size:
            table = arrow.Table.from_batches(waiting)
            yield table.slice(0, size)
            waiting, number = table.slice(size).to_batches(), number - size
    if number:
        yield arrow.Table.from_batches(waiting)


def _parsed(chunk: arrow.Table) -> pd.DataFrame:
    """Texts with the types that `pipeline score` finds in them, since the same reader looks for them."""
    content = io.BytesIO()
    csv.write_csv(chunk, content)
    content.seek(0)
    return next(rows.csv(content, len(chunk)))


def _from_files(chunk: arrow.Table, root: str) -> pd.DataFrame:
    """Files as raw rows. Spark names them by a URI that ends in their path as it is: file:/… or dbfs:/Volumes/…"""
    paths = [uri.partition(f"{root}/")[2] for uri in chunk["path"].to_pylist()]
    return rows.as_rows(zip(paths, chunk["content"].to_pylist(), strict=True))


def _batch(scored: scoring.Scored) -> arrow.RecordBatch:
    good, bad = (_structs(frame) for frame in (scored.predictions, scored.rejected))
    columns = [arrow.concat_arrays([good, _nulls(good, bad)]), arrow.concat_arrays([_nulls(bad, good), bad])]
    return arrow.RecordBatch.from_arrays(columns, [PREDICTION, REJECTED])


def _structs(frame: pd.DataFrame) -> arrow.StructArray:
    table = arrow.Table.from_pandas(frame, preserve_index=False)
    columns = [column.combine_chunks() for column in table.columns]
    return arrow.StructArray.from_arrays(columns, fields=list(table.schema))


def _nulls(like: arrow.StructArray, other: arrow.StructArray) -> arrow.Array:
    return arrow.nulls(len(other), like.type)
