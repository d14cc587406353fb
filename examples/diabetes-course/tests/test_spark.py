"""What Spark's workers run, fed with the batches that Spark would send: no Spark is needed to know what comes out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pytest
from conftest import Pipeline

from diabetes_course import models, rows, schema, spark
from diabetes_course.errors import InputError

MODEL = Path("outputs/model")


@pytest.fixture
def mixed(raw: pd.DataFrame) -> pd.DataFrame:
    """Twenty rows, of which two do not fit."""
    raw.loc[3, schema.ID] = None
    raw.loc[4, schema.inputs(raw).select_dtypes("object").columns[0]] = "never seen"
    return raw.head(20)


def job(chunk_rows: int = 6, *, text: bool = False) -> spark.Job:
    """The model of the current folder for the workers."""
    return spark.Job(spark.packed(MODEL), models.digest(MODEL)[:12], chunk_rows, text)


def batches(frame: pd.DataFrame, size: int) -> list[arrow.RecordBatch]:
    """A frame as batches of at most `size` rows."""
    found: list[arrow.RecordBatch] = arrow.Table.from_pandas(frame, preserve_index=False).to_batches(max_chunksize=size)
    return found


def part(scored: Iterable[arrow.RecordBatch], column: str) -> pd.DataFrame:
    """The predictions, or the rejected rows, of scored batches."""
    structs = arrow.Table.from_batches(list(scored))[column].combine_chunks().drop_null()
    frame: pd.DataFrame = arrow.RecordBatch.from_struct_array(structs).to_pandas()
    return frame.drop(columns="scored_at", errors="ignore")


def alike(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with one kind of text, of which pandas knows two."""
    return frame.convert_dtypes(convert_floating=False, convert_integer=False)


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize("text", [False, True])
def test_workers_give_what_pipeline_score_gives(
    size: int, text: bool, trained: Path, mixed: pd.DataFrame, pipeline: Pipeline
) -> None:
    """However Spark cuts the rows, and whether it knows their types or has texts only."""
    mixed.to_csv("new.csv", index=False)
    assert pipeline("score", "--source", "new.csv", "--model", MODEL).code == 0
    sent = pd.read_csv("new.csv", dtype=str) if text else mixed
    scored = list(job(text=text)(batches(sent, size)))
    assert {batch.schema for batch in scored} == {job().schema()}
    for column, name in ((spark.PREDICTION, "predictions"), (spark.REJECTED, "rejected")):
        expected = rows.read(Path(f"outputs/predictions/{name}.parquet")).drop(columns="scored_at", errors="ignore")
        found = part(scored, column)
        assert len(found) == (2 if column == spark.REJECTED else 18)
        pd.testing.assert_frame_equal(alike(found), alike(expected), rtol=0, atol=1e-12)


def test_no_rows_are_no_batches(trained: Path) -> None:
    """A worker with nothing to do gives nothing, and knows what it would have given."""
    assert list(job()([])) == []
    assert job().schema().names == [spark.PREDICTION, spark.REJECTED]


def test_a_model_that_cannot_travel_is_refused(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is larger than a query carries, and a folder without a model, are told before Spark begins."""
    monkeypatch.setattr(spark, "MEBIBYTES", 0)
    with pytest.raises(InputError, match="more than a query can carry"):
        spark.packed(MODEL)
    with pytest.raises(InputError, match="no model"):
        spark.packed(Path("data"))
