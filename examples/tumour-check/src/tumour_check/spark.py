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
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pyarrow.csv as csv

from . import models, rows, scoring
from .errors import InputError

# A model travels inside the query's plan, of which Spark Connect takes 128 MiB.
MEBIBYTES = 64
# The columns of a scored row. One of the two is null: a row was predicted, or it was set aside.
PREDICTION, REJECTED = "prediction", "rejected"
# In each, a field that is never null where the column is not.
ALWAYS = {PREDICTION: "model_version", REJECTED: rows.REASON}


@dataclass(frozen=True)
class Job:
    """What a worker needs to score.

    Args:
        model: the model's folder, zipped.
        version: what to call the model.
        chunk_rows: as many rows at once, at most.
        text: the rows were read from a text file, so that all values are texts.
    """

    model: bytes
    version: str
    chunk_rows: int
    text: bool = False

    def __call__(self, batches: Iterable[arrow.RecordBatch]) -> Iterator[arrow.RecordBatch]:
        """Score the batches of a task; for `DataFrame.mapInArrow`."""
        predict = _opened(self.model)
        for chunk in _chunks(batches, self.chunk_rows):
            frame = _parsed(chunk) if self.text else chunk.to_pandas()
            yield _batch(scoring.score(frame, predict, self.version))

    def schema(self) -> arrow.Schema:
        """The columns and types of what comes out."""
        return _batch(scoring.nothing(_opened(self.model))).schema


def packed(folder: Path) -> bytes:
    """The files of a model's folder, zipped.

    Raises:
        InputError: there is no model, or it is too large to travel.
    """
    models.digest(folder)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    if content.tell() > MEBIBYTES * 2**20:
        raise InputError(f"the model in {folder} is over {MEBIBYTES} MiB when zipped, more than a query can carry")
    return content.getvalue()


@lru_cache(maxsize=1)
def _opened(model: bytes) -> models.Predict:
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
