"""The one function that scores: its result does not depend on how the rows are cut, nor on whether there are any."""

from __future__ import annotations

import shutil
from pathlib import Path

import cases
import pandas as pd
import pyarrow as arrow
import pytest
from conftest import Pipeline, backwards

from handbook_assistant import models, rows, schema, scoring

MODEL = Path("outputs/model")


@pytest.fixture
def mixed(raw: pd.DataFrame) -> pd.DataFrame:
    """Twenty rows, of which two do not fit and one comes twice."""
    raw.loc[3, schema.ID] = None
    return pd.concat([cases.misfit(raw, 4).head(20), raw.iloc[[19]]], ignore_index=True)


def cut(frame: pd.DataFrame, size: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score a frame in pieces of `size` rows; predictions and rejected rows, each put together."""
    predict = models.opened(MODEL)
    pieces = [scoring.score(frame.iloc[start : start + size], predict, "1") for start in range(0, len(frame), size)]
    predictions = pd.concat([piece.predictions for piece in pieces], ignore_index=True)
    return predictions.drop(columns="scored_at"), pd.concat([piece.rejected for piece in pieces], ignore_index=True)


@pytest.mark.parametrize("size", [1, 6])
def test_each_row_is_scored_alone(size: int, trained: Path, mixed: pd.DataFrame) -> None:
    """However rows are cut into chunks, each gets the same prediction, or the same reason."""
    for found, expected in zip(cut(mixed, size), cut(mixed, 1000), strict=True):
        pd.testing.assert_frame_equal(found, expected, rtol=0, atol=1e-12)
        assert len(expected) in (2, 19)


def test_columns_and_types_do_not_depend_on_the_rows(trained: Path, mixed: pd.DataFrame) -> None:
    """Good rows alone, bad rows alone and no rows give the same columns with the same types."""
    predict = models.opened(MODEL)
    chunks = (mixed, mixed.iloc[3:5], mixed.iloc[6:8])
    scored = [scoring.nothing(predict), *(scoring.score(chunk, predict, "1") for chunk in chunks)]
    assert [len(one.predictions) for one in scored] == [0, 19, 0, 2]
    for name in ("predictions", "rejected"):
        frames = [getattr(one, name) for one in scored]
        assert len({arrow.Schema.from_pandas(frame, preserve_index=False).remove_metadata() for frame in frames}) == 1


def test_an_older_model_scores_with_its_own_code(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """A model that was trained with other code than today's is asked with that code, not with ours."""
    raw.sample(100, random_state=0).to_parquet("new.parquet")  # no more than a chunk, which the older code turns around
    assert pipeline("score", "--source", "new.parquet", "--model", MODEL).code == 0
    ours = rows.predictions(Path("outputs/predictions"))
    shutil.copytree(MODEL, "older")
    backwards(Path("older"))

    assert pipeline("score", "--source", "new.parquet", "--model", "older").code == 0

    theirs = rows.predictions(Path("outputs/predictions"))
    assert list(theirs[schema.ID]) == list(ours[schema.ID])
    assert list(theirs["prediction"]) == list(ours["prediction"])[::-1]
    assert list(theirs["prediction"]) != list(ours["prediction"])


def test_predictions_of_several_workers_are_read_together(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """Where workers wrote a file each, predictions.parquet is a folder."""
    raw.to_parquet("new.parquet")
    assert pipeline("score", "--source", "new.parquet", "--model", MODEL).code == 0
    whole = Path("outputs/predictions/predictions.parquet")
    Path("parts/predictions.parquet").mkdir(parents=True)
    for number in range(2):
        pd.read_parquet(whole).iloc[number::2].to_parquet(f"parts/predictions.parquet/{number}.parquet")
    assert set(rows.predictions(Path("parts"))[schema.ID]) == set(raw[schema.ID])
