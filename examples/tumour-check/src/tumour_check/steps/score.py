"""Predict for new rows in bounded memory: read a chunk, set bad rows aside, predict, append, next."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet

from .. import flavor, models, rows, schema
from ..errors import InputError
from ..folders import writing
from ..progress import counter, say
from ..serving import chosen
from ..settings import Settings


def score(source: Path, model: Path | None, predictions: Path, settings: Settings) -> None:
    """Write predictions.parquet (id, prediction, model version, time) and rejected.parquet.

    Args:
        source: rows without the target; a target column, like any unknown one, is ignored.
        model: an MLflow model folder; None for the registry's champion.
        predictions: output folder.

    Raises:
        InputError: no row fits, or there is no model.
    """
    with chosen(model) as (folder, version), writing(predictions) as out:
        fitted = models.load(folder)
        good, bad = _Table(out / "predictions.parquet"), _Table(out / "rejected.parquet")
        with good, bad, counter("score") as count:
            for chunk in rows.chunks(source, settings.score.chunk_rows):
                checked = rows.check(chunk, schema.INPUTS)
                if len(checked.good):
                    good.append(predict(fitted, checked.good, version))
                bad.append(checked.rejected)
                count(len(chunk))
        if not good.rows:
            raise InputError(f"no row of {source} could be scored{bad.first_reason()}")
    say(f"score: {good.rows} rows predicted by version {version}, {bad.rows} set aside, in {predictions}")


def predict(fitted: flavor.Model, inputs: pd.DataFrame, version: str) -> pd.DataFrame:
    """Predictions for n checked rows: id, what the flavor gives, `model_version` and `scored_at` (UTC)."""
    predicted = flavor.predict(fitted, inputs)
    predicted.insert(0, schema.ID, inputs[schema.ID].to_numpy())
    return predicted.assign(model_version=version, scored_at=datetime.now(UTC))


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
        self.writer.write_table(table.cast(self.writer.schema))
        self.rows += len(frame)

    def first_reason(self) -> str:
        """The reason of the first row, to be told in a message."""
        reasons = parquet.read_table(self.path)[rows.REASON] if self.rows else []
        return f": the first has {reasons[0]}" if len(reasons) else ": the tables are empty"
