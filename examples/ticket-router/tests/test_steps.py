"""The steps through the command line: what a run leaves, and what bad input gets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cases
import pandas as pd
import pytest
import sources
from conftest import Pipeline

from ticket_router import NAME, models, schema
from ticket_router.local_registry import LocalRegistry
from ticket_router.settings import Tracking

MODEL = ["--model", "outputs/model"]


def test_run_ends_with_a_registered_champion(project: Path, pipeline: Pipeline) -> None:
    """One command leads from nothing to a champion with a report."""
    done = pipeline("run")
    assert done.code == 0, done
    champion = LocalRegistry(NAME, Tracking()).champion()
    assert champion is not None
    assert champion.digest == models.digest(project / "outputs/model")
    report = {path.name for path in (project / "outputs/report").iterdir()}
    assert {f"{name}.json" for name in ("metrics", "slices", "diagnostics", "gate")} <= report
    assert report - {path for path in report if path.endswith(".json")} == {
        "model_card.md",
        "predictions.parquet",
        "plots",
    }


def test_each_row_is_in_one_part(trained: Path, raw: pd.DataFrame) -> None:
    """Every raw row is in exactly one part, and no group is in two."""
    parts = [pd.read_parquet(path) for path in sorted((trained / "outputs/data").glob("*.parquet"))]
    assert sum(part[schema.ID].isin(raw[schema.ID]).sum() for part in parts) == len(raw)
    groups = [set(part[schema.GROUP]) for part in parts]
    assert len(set.union(*groups)) == sum(map(len, groups))


def test_a_row_keeps_its_part(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """More rows tomorrow do not move today's rows from training to test."""
    raw.iloc[::2].to_parquet(trained / "half.parquet")
    assert pipeline("prepare", *sources.given("half.parquet"), "--data", "half").code == 0
    early = pd.read_parquet(trained / "half/test.parquet")[schema.ID]
    later = pd.read_parquet(trained / "outputs/data/test.parquet")[schema.ID]
    assert set(early) <= set(later)


def test_bad_rows_are_set_aside(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """A bad row is kept with its reason, and the others are used."""
    raw.loc[3, schema.TARGET] = None
    raw.loc[4, schema.ID] = raw.loc[5, schema.ID]
    raw.to_parquet(trained / "rows.parquet")
    assert pipeline("prepare", *sources.given("rows.parquet")).code == 0
    rejected = pd.read_parquet(trained / "outputs/data/rejected.parquet")
    assert len(rejected) == 2
    assert set(rejected["reason"].str.split().str[0]) == {schema.TARGET, schema.ID}


BAD_TABLES: dict[str, tuple[cases.Spoil, str]] = {
    "missing column": (lambda rows: rows.drop(columns=schema.inputs(rows).columns[0]), "is missing"),
    "no target": (lambda rows: rows.assign(**{schema.TARGET: None}), f"{schema.TARGET} is empty"),
    "no rows": (lambda rows: rows.head(0), "empty"),
    "too few rows": (lambda rows: rows.head(2), "error"),
    **cases.BAD_TABLES,
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables_are_refused(name: str, project: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """A table that cannot be used gets one line, exit code 2, and leaves nothing behind."""
    spoil, words = BAD_TABLES[name]
    spoil(raw).to_parquet(project / "rows.parquet")
    pipeline("prepare", *sources.given("rows.parquet")).refused(2, words)
    assert not (project / "outputs").exists()


BAD_FILES = {
    "empty": (b"", "cannot read"),
    "not UTF-8": ("patient_id,größe\n1,2\n".encode("latin-1"), "UTF-8"),
    "not a table": (b'a,b\n1,2\n3,4,5,6\n"', "cannot read"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused(name: str, project: Path, pipeline: Pipeline) -> None:
    """A file that is no table gets one line and exit code 2."""
    content, words = BAD_FILES[name]
    (project / "rows.csv").write_bytes(content)
    pipeline("prepare", *sources.given("rows.csv")).refused(2, "rows.csv", words)


def test_a_damaged_parquet_file_is_refused(project: Path, pipeline: Pipeline) -> None:
    """A parquet file that is none gets one line and exit code 2."""
    (project / "rows.parquet").write_bytes(b"PAR1 not really")
    pipeline("prepare", *sources.given("rows.parquet")).refused(2, "rows.parquet")


def test_absent_rows_are_refused(project: Path, pipeline: Pipeline) -> None:
    """Without rows the message says how to get some."""
    pipeline("prepare").refused(2, "data/raw", "pipeline sample")
    pipeline("train").refused(2, "outputs/data/train.parquet", "pipeline prepare")


def test_monitor_needs_predictions(trained: Path, pipeline: Pipeline) -> None:
    """Without predictions the message says how to get them, and no report is written."""
    pipeline("monitor", *MODEL).refused(2, "outputs/predictions", "pipeline score")
    assert not (trained / "outputs/monitoring").exists()


def test_sample_overwrites_nothing(project: Path, pipeline: Pipeline) -> None:
    """A folder with the team's rows is left alone."""
    (project / "data/raw").mkdir(parents=True)
    (project / "data/raw/ours.csv").write_text("a\n1\n")
    pipeline("sample").refused(2, "not empty")
    assert [path.name for path in (project / "data/raw").iterdir()] == ["ours.csv"]


@pytest.mark.parametrize(
    ("step", "option"),
    [("prepare", "--data"), ("train", "--model"), ("evaluate", "--report"), ("score", "--predictions")],
)
def test_an_unwritable_output_is_refused(step: str, option: str, trained: Path, pipeline: Pipeline) -> None:
    """An output folder that cannot be made gets one line, exit code 2, and nothing half-written."""
    (trained / "file").write_text("not a folder")
    model = ["--model", "outputs/model"] if step == "score" else []
    pipeline(step, option, "file/below", *model).refused(2, "file/below")
    assert (trained / "file").read_text() == "not a folder"


def test_a_setting_that_does_not_fit_the_rows_is_refused(trained: Path, pipeline: Pipeline) -> None:
    """A split that leaves no rows for training is one line, not a traceback."""
    pipeline("prepare", "--set", "prepare.split=time").refused(2, "TIME")


@pytest.mark.parametrize("damage", ["truncated", "no MLmodel", "absent"])
def test_a_corrupt_model_is_refused(damage: str, trained: Path, pipeline: Pipeline) -> None:
    """A damaged model folder gets one line and exit code 2 from every step that reads it, and no report."""
    folder = trained / "outputs/model"
    if damage == "truncated":
        cases.damage(folder)
    elif damage == "no MLmodel":
        (folder / "MLmodel").unlink()
    else:
        shutil.rmtree(folder)
    pipeline("evaluate").refused(2, "outputs/model")
    pipeline("score", "--model", folder).refused(2, "outputs/model")
    assert not (trained / "outputs/report").exists()
    assert not (trained / "outputs/predictions").exists()


def test_score_gives_each_row_its_prediction(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """Scoring in small chunks gives each row the prediction that it gets alone, with id, version and time."""
    raw.drop(columns=schema.TARGET).to_parquet(trained / "new.parquet")
    arguments = ["score", "--source", "new.parquet", "--model", "outputs/model"]
    assert pipeline(*arguments, "--set", "score.chunk_rows=50").code == 0
    chunked = pd.read_parquet(trained / "outputs/predictions/predictions.parquet")
    assert pipeline(*arguments).code == 0
    whole = pd.read_parquet(trained / "outputs/predictions/predictions.parquet")
    moment = ["scored_at"]
    pd.testing.assert_frame_equal(chunked.drop(columns=moment), whole.drop(columns=moment))
    assert list(chunked[schema.ID]) == list(raw[schema.ID])
    assert chunked["model_version"].unique().tolist() == [models.digest(trained / "outputs/model")[:12]]


def test_score_sets_bad_rows_aside(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """A new row that does not fit is in rejected.parquet with its reason; the others are predicted."""
    cases.misfit(raw, 0).to_parquet(trained / "new.parquet")
    assert pipeline("score", "--source", "new.parquet", "--model", "outputs/model").code == 0
    rejected = pd.read_parquet(trained / "outputs/predictions/rejected.parquet")
    assert rejected["reason"].str.contains(cases.MISFIT, regex=False).tolist() == [True]
    assert len(pd.read_parquet(trained / "outputs/predictions/predictions.parquet")) == len(raw) - 1


def test_score_refuses_when_no_row_fits(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """A delivery of bad rows alone gets one line and leaves no predictions."""
    frame = raw.head(2)
    for position in range(2):
        frame = cases.misfit(frame, position)
    frame.to_parquet(trained / "new.parquet")
    pipeline("score", "--source", "new.parquet", "--model", "outputs/model").refused(2, cases.MISFIT)
    assert not (trained / "outputs/predictions").exists()


def test_score_needs_a_model(trained: Path, pipeline: Pipeline) -> None:
    """Without a champion the message says how to get one."""
    pipeline("score").refused(2, "no champion", "pipeline run")


def test_monitor_keeps_the_model_for_the_same_rows(trained: Path, pipeline: Pipeline) -> None:
    """Rows like those of the training raise no alarm."""
    assert pipeline("score", *MODEL).code == 0
    assert pipeline("monitor", *MODEL).code == 0
    decision = json.loads((trained / "outputs/monitoring/retrain.json").read_text())
    assert decision["retrain"] is False


def test_monitor_asks_to_retrain_for_shifted_rows(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """Rows that have clearly moved call for retraining, with the reason."""
    cases.shifted(raw).to_parquet(trained / "new.parquet")
    source = ["--source", "new.parquet"]
    assert pipeline("score", *source, *MODEL).code == 0
    done = pipeline("monitor", *source, *MODEL)
    assert done.code == 0, done
    decision = json.loads((trained / "outputs/monitoring/retrain.json").read_text())
    assert decision["retrain"] is True
    assert any(cases.SHIFTED in reason for reason in decision["reasons"])


def test_monitor_decides_nothing_from_few_rows(trained: Path, raw: pd.DataFrame, pipeline: Pipeline) -> None:
    """A handful of rows, however odd, is no ground for retraining."""
    raw.head(5).to_parquet(trained / "new.parquet")
    source = ["--source", "new.parquet"]
    assert pipeline("score", *source, *MODEL).code == 0
    assert pipeline("monitor", *source, *MODEL).code == 0
    decision = json.loads((trained / "outputs/monitoring/retrain.json").read_text())
    assert decision["retrain"] is False
    assert "needed" in decision["reasons"][0]
