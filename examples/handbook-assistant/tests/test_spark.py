"""What Spark's workers run, fed with the batches that Spark would send: no Spark is needed to know what comes out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cases
import pandas as pd
import pyarrow as arrow
import pytest
from conftest import Pipeline

from handbook_assistant import models, rows, schema, spark
from handbook_assistant.errors import InputError

MODEL = Path("outputs/model")
# What Spark may read of this type's rows.
FORMS = [spark.Form.TYPED] + [spark.Form.TEXT] * cases.TEXT + [spark.Form.FILES] * bool(rows.FILES)


@pytest.fixture
def mixed(raw: pd.DataFrame) -> pd.DataFrame:
    """Twenty rows, of which two do not fit."""
    raw.loc[3, schema.ID] = None
    return cases.misfit(raw, 4).head(20)


def job(chunk_rows: int = 6, form: spark.Form = spark.Form.TYPED) -> spark.Job:
    """The model of the current folder for the workers."""
    return spark.Job(spark.packed(MODEL, Path("shared")), models.digest(MODEL)[:12], chunk_rows, form, "/a/source")


def sent(frame: pd.DataFrame, form: spark.Form) -> tuple[pd.DataFrame, str]:
    """Rows as Spark sends them, and where the same rows lie for `pipeline score`."""
    if form is spark.Form.TEXT:
        frame.to_csv("new.csv", index=False)
        return pd.read_csv("new.csv", dtype=str), "new.csv"
    if form is spark.Form.FILES:
        named = frame.dropna(subset=schema.ID).sort_values(schema.ID)
        Path("new").mkdir()
        rows.write(named, Path("new"))
        uris = "file:/a/source/" + named[schema.ID].astype(str)
        return pd.DataFrame({"path": uris, "content": named[rows.CONTENT]}), "new"
    frame.to_parquet("new.parquet")
    return frame, "new.parquet"


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
@pytest.mark.parametrize("form", FORMS)
def test_workers_give_what_pipeline_score_gives(
    size: int, form: spark.Form, trained: Path, mixed: pd.DataFrame, pipeline: Pipeline
) -> None:
    """However Spark cuts the rows, and whether it knows their types, has texts only, or sends files."""
    frame, source = sent(mixed, form)
    assert pipeline("score", "--source", source, "--model", MODEL).code == 0
    scored = list(job(form=form)(batches(frame, size)))
    assert {batch.schema for batch in scored} == {job().schema()}
    for column, name in ((spark.PREDICTION, "predictions"), (spark.REJECTED, "rejected")):
        expected = rows.read(Path(f"outputs/predictions/{name}.parquet")).drop(columns="scored_at", errors="ignore")
        found = part(scored, column)
        assert len(found) == (len(frame) - 18 if column == spark.REJECTED else 18)
        pd.testing.assert_frame_equal(alike(found), alike(expected), rtol=0, atol=cases.TOLERANCE)


def test_no_rows_are_no_batches(trained: Path) -> None:
    """A worker with nothing to do gives nothing, and knows what it would have given."""
    assert list(job()([])) == []
    assert job().schema().names == [spark.PREDICTION, spark.REJECTED]


def test_a_large_model_waits_in_a_folder(trained: Path, raw: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is larger than a query carries is copied to where the workers see it, and predicts as ever."""
    sent_along = list(job()(batches(raw.head(9), 100)))
    monkeypatch.setattr(spark, "MEBIBYTES", 0)
    large = job()
    assert large.model == str(trained / "shared")
    assert models.digest(trained / "shared") == models.digest(MODEL)
    found = part(large(batches(raw.head(9), 100)), spark.PREDICTION)
    pd.testing.assert_frame_equal(found, part(sent_along, spark.PREDICTION))


def test_no_model_is_an_error(trained: Path) -> None:
    """A folder without a model is told before Spark begins."""
    with pytest.raises(InputError, match="no model"):
        spark.packed(Path("data"), Path("shared"))
