"""Predict for new rows in bounded memory: read a chunk, set bad rows aside, predict, append, next."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as parquet

from .. import models, rows, scoring
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
    with chosen(model, settings) as (folder, version), writing(predictions) as out, counter("score") as count:
        good, bad = out / "predictions.parquet", out / "rejected.parquet"
        chunks = rows.chunks(source, settings.score.chunk_rows)
        predicted, rejected = scoring.write(chunks, models.opened(folder), version, good, bad, count)
        if not predicted:
            raise InputError(f"no row of {source} could be scored: {_first_reason(bad, rejected)}")
    say(f"score: {predicted} rows predicted by version {version}, {rejected} set aside, in {predictions}")


def _first_reason(file: Path, rejected: int) -> str:
    return f"the first has {parquet.read_table(file)[rows.REASON][0]}" if rejected else "the tables are empty"
