"""From raw rows to predictions: the one function that scores, on this computer and wherever a platform scores more.

Each row is judged and predicted alone, so the result does not depend on how the rows are cut into chunks, and columns
and types are the same for every chunk, an empty one too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet

from . import models, rows, schema

# A rule about several rows, such as a unique id, would hold or not as the rows happen to be cut.
ROW = schema.INPUTS.update_columns({name: {"unique": False} for name in schema.INPUTS.columns})


@dataclass(frozen=True)
class Scored:
    """What became of a chunk: the rows that were predicted, and those set aside with their reasons."""

    predictions: pd.DataFrame
    rejected: pd.DataFrame


def score(chunk: pd.DataFrame, predict: models.Predict, version: str) -> Scored:
    """Check raw rows and predict for those that fit.

    Args:
        chunk: raw rows, as they came.
        predict: what `models.opened` returned.
        version: what to call the model.

    Returns:
        predictions (id, what the flavor gives, `model_version`, `scored_at` in UTC) and rejected rows.

    Raises:
        InputError: a column is missing.
    """
    checked = rows.check(chunk, ROW)
    predicted = predict(schema.inputs(checked.good))
    predicted.insert(0, schema.ID, checked.good[schema.ID].to_numpy())
    predicted = predicted.assign(model_version=version, scored_at=pd.Timestamp(datetime.now(UTC)))
    return Scored(_typed(predicted), checked.rejected)


def nothing(predict: models.Predict) -> Scored:
    """What `score` gives for no rows: columns and types."""
    return score(pd.DataFrame(columns=list(ROW.columns)), predict, "")


def write(
    chunks: Iterable[pd.DataFrame],
    predict: models.Predict,
    version: str,
    predictions: Path,
    rejected: Path,
    count: Callable[[int], object] = int,
) -> tuple[int, int]:
    """Score chunk by chunk into two parquet files; how many rows were predicted, and how many set aside.

    Args:
        chunks: raw rows.
        predict: as for `score`.
        version: as for `score`.
        predictions: the file for the predictions.
        rejected: the file for the rows set aside.
        count: is told how many rows are done.
    """
    with ExitStack() as stack:
        good, bad = (stack.enter_context(_Table(path)) for path in (predictions, rejected))
        for chunk in chunks:
            scored = score(chunk, predict, version)
            good.append(scored.predictions)
            bad.append(scored.rejected)
            count(len(chunk))
    return good.rows, bad.rows


class _Table:
    """A parquet file that grows by frames of the same columns; the first frame fixes the types."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, 0
        self.writer: parquet.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            self.writer.close()

    def append(self, frame: pd.DataFrame) -> None:
        table = arrow.Table.from_pandas(frame, preserve_index=False)
        if self.writer is None:
            self.writer = parquet.ParquetWriter(self.path, table.schema)
        self.writer.write_table(table)
        self.rows += len(frame)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts as texts also when there is none to tell, and moments in microseconds, the finest that Spark knows."""
    texts = dict.fromkeys(frame.select_dtypes("object").columns, "string")
    return frame.astype({**texts, "model_version": "string", "scored_at": "datetime64[us, UTC]"})
