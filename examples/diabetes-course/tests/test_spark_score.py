"""Scoring in Spark, a real one on this computer, gives what `pipeline score` gives.

Spark Connect here, since that is what serverless compute is; test_classic_spark.py has the other kind.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cases
import pandas as pd
import pytest
from conftest import ROOT, Pipeline

from diabetes_course import models, rows, schema, spark
from diabetes_course.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.platform, pytest.mark.filterwarnings("ignore:::pyspark")]
MODEL = Path("outputs/model")


def _load() -> Any:
    """databricks/score.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("spark_score", ROOT / "databricks" / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


script = _load()


def spark_environment(folder: Path) -> dict[str, str]:
    """What Spark needs to know on a computer that is no cluster."""
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.fail("Spark needs Java 17: install it, for instance the package openjdk-17-jre-headless", pytrace=False)
    options = f"--conf spark.ui.enabled=false --conf spark.sql.warehouse.dir={folder / 'warehouse'}"
    # SPARK_TESTING lets Spark Connect take any free port: test processes run side by side.
    return {"PYSPARK_PYTHON": sys.executable, "PYSPARK_SUBMIT_ARGS": f"{options} pyspark-shell", "SPARK_TESTING": "1"}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session of two workers."""
    folder = tmp_path_factory.mktemp("spark")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in spark_environment(folder).items():
            patch.setenv(name, value)
        from pyspark.sql import SparkSession

        made = SparkSession.builder.remote("local[2]").config("spark.sql.shuffle.partitions", "2").getOrCreate()
        yield made
        made.stop()


@pytest.fixture
def mixed(raw: pd.DataFrame) -> pd.DataFrame:
    """Some hundred rows, of which some do not fit, and one comes twice."""
    raw = raw.head(300)
    for position in range(3):
        raw = cases.misfit(raw, position)
    raw.loc[3, schema.ID] = None
    return pd.concat([raw, raw.tail(1)], ignore_index=True)


def job(chunk_rows: int = 100) -> spark.Job:
    """The model of the current folder for the workers."""
    return spark.Job(spark.packed(MODEL, Path("shared")), models.digest(MODEL)[:12], chunk_rows)


def same(found: Path, expected: Path) -> None:
    """Two folders hold the same scored rows, whatever their order."""
    for name in ("predictions", "rejected"):
        tables = [pd.read_parquet(folder / f"{name}.parquet") for folder in (found, expected)]
        # Both hold texts, of which pandas knows two kinds.
        tables = [table.convert_dtypes(convert_floating=False, convert_integer=False) for table in tables]
        tables = [table.drop(columns="scored_at", errors="ignore") for table in tables]
        ordered = [table.sort_values(list(table.columns), ignore_index=True) for table in tables]
        pd.testing.assert_frame_equal(ordered[0], ordered[1], check_dtype=False, rtol=0, atol=cases.TOLERANCE)
        assert len(ordered[0])


@pytest.mark.parametrize(("partitions", "chunk_rows"), [(1, 100_000), (5, 7)])
def test_spark_gives_what_pipeline_score_gives(
    partitions: int, chunk_rows: int, trained: Path, mixed: pd.DataFrame, pipeline: Pipeline, session: SparkSession
) -> None:
    """However the rows are parted: the same predictions, the same rejected rows, and the same reasons."""
    mixed.to_parquet("new.parquet")
    assert pipeline("score", "--source", "new.parquet", "--model", MODEL).code == 0
    session.read.parquet(str(trained / "new.parquet")).repartition(partitions).write.parquet(str(trained / "parted"))

    counts = script.write(session, "parted/", trained / "scored", job(chunk_rows))

    assert counts == (len(mixed) - 4, 4)
    same(trained / "scored", trained / "outputs/predictions")


def tables(frame: pd.DataFrame, folder: Path) -> None:
    """Put rows into a folder: in a typed table, and where they can be texts in text files, as people write them."""
    folder.mkdir()
    if not cases.TEXT:
        frame.to_parquet(folder / "a.parquet")
        return
    last = schema.inputs(frame).columns[-1]
    quoted = frame.tail(9).assign(**{schema.ID: [f'a "quoted",\n{number}' for number in range(9)]})
    frame.head(50).to_parquet(folder / "a.parquet")
    frame.iloc[50:].to_csv(folder / "b.csv", index=False)
    frame.head(20).assign(**{last: "NA"}).to_csv(folder / "c.csv", index=False)
    quoted.to_csv(folder / "d.csv", index=False)


def single_files(frame: pd.DataFrame, folder: Path) -> None:
    """Put rows into a folder as files of one row each, with names that are no plain words, and a table beside them."""
    tables(frame.head(9), folder)
    files = frame.dropna(subset=schema.ID).head(30)
    odd = [f"a b/50%20/é+{name}" for name in files[schema.ID].head(9)]
    rows.write(files, folder)
    rows.write(files.head(9).assign(**{schema.ID: [name.upper() for name in odd]}), folder)
    rows.write(files.tail(1).assign(**{schema.ID: "{x}[1]" + rows.FILES[0]}), folder)


@pytest.mark.parametrize("put", [tables, single_files] if rows.FILES else [tables])
def test_folders_are_read_as_pipeline_score_reads_them(
    put: Callable[[pd.DataFrame, Path], None],
    trained: Path,
    mixed: pd.DataFrame,
    pipeline: Pipeline,
    session: SparkSession,
) -> None:
    """Quotes, empty values, words for empty values, rows that are files, and all of them in one folder."""
    put(mixed, trained / "incoming")
    assert pipeline("score", "--source", "incoming", "--model", MODEL).code == 0

    script.write(session, "incoming/", trained / "scored", job())

    same(trained / "scored", trained / "outputs/predictions")


NAMES = ["a.one", "A.ONE", "b/c d.One", "50%20/é.one", "x[1].one", "a.two", "one", "b/.one", "b/.hidden.one"]


def test_spark_finds_the_files_that_are_rows(
    tmp_path: Path, session: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their suffix in small or capital letters, in folders too, below a folder of any name; hidden ones are none."""
    monkeypatch.setattr(rows, "FILES", (".one", ".three"))
    source = tmp_path / "a [source]"
    for name in NAMES:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    found = script.binary(session, source).toPandas()
    expected = [path.relative_to(source).as_posix() for path in rows.files(source)]
    assert len(expected) == 5
    paths = [path.partition(f"{source}/")[2] for path in found["path"]]
    assert sorted(paths) == sorted(expected)
    assert [content.decode() for content in found["content"]] == paths


@pytest.mark.parametrize("name", ["_a.one", "_b/c.one"])
def test_file_that_spark_would_leave_out_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that `pipeline score` reads and Spark does not is an error, and not a missing prediction."""
    monkeypatch.setattr(rows, "FILES", (".one",))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"Spark leaves out .*rename it"):
        script.any_file(tmp_path)


def call(*arguments: object) -> int:
    """Run `python databricks/score.py ARGUMENTS` in this process; its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["score.py", *map(str, arguments)])
        try:
            script.main()
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0


def test_tables_grow_with_each_run(
    trained: Path, mixed: pd.DataFrame, session: SparkSession, pipeline: Pipeline
) -> None:
    """A run appends what it scored, with the version and the time; its folder is what `pipeline monitor` reads."""
    mixed.to_parquet("new.parquet")
    tables = ["--predictions", "predictions", "--rejected", "rejected"]
    runs = [["--source", "./new.parquet", "--model", MODEL, "--scored", run] for run in ("first", "second")]
    assert [call(*run, *tables) for run in runs] == [0, 0]

    kept = session.read.table("predictions").toPandas()
    assert len(kept) == 2 * (len(mixed) - 4)
    assert kept["scored_at"].nunique() > 1
    assert set(kept["model_version"]) == {models.digest(MODEL)[:12]}
    assert session.read.table("rejected").count() == 8
    assert pipeline("monitor", "--model", MODEL, "--source", "new.parquet", "--predictions", "second").code == 0


def test_a_run_is_scored_once(trained: Path, mixed: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of an earlier run is refused, so that a repeated task does not append twice."""
    (trained / "scored/rejected.parquet").mkdir(parents=True)
    assert call("--source", "data/raw", "--model", MODEL, "--scored", "scored") == 2
    assert "folder of its own" in capsys.readouterr().err


def test_large_model_leaves_nothing_behind(
    trained: Path, raw: pd.DataFrame, session: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is too large for a query is in the run's folder while Spark scores, and gone afterwards."""
    monkeypatch.setattr(spark, "MEBIBYTES", 0)
    raw.head(9).to_parquet("new.parquet")
    assert call("--source", "./new.parquet", "--model", MODEL, "--scored", "scored") == 0
    assert sorted(path.name for path in (trained / "scored").iterdir()) == ["predictions.parquet", "rejected.parquet"]


def test_no_champion_is_one_line(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first champion the user is told so, and Spark is not started."""
    assert call("--source", "data/raw", "--scored", "scored") == 2
    assert capsys.readouterr().err.startswith("error: the registry has no champion yet")
    assert not (trained / "scored").exists()


Spoil = Callable[[pd.DataFrame], pd.DataFrame]
BAD: dict[str, tuple[Spoil, str]] = {
    "missing column": (lambda frame: frame.drop(columns=schema.inputs(frame).columns[0]), "is missing"),
    "no row fits": (lambda frame: frame.assign(**{schema.ID: None}), f"could be scored: the first has {schema.ID}"),
    "no rows": (lambda frame: frame.head(0), "the tables are empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_one_line(
    name: str, trained: Path, raw: pd.DataFrame, session: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table that cannot be scored gets the line that `pipeline score` has for it, exit code 2, and no rows."""
    spoil, words = BAD[name]
    spoil(raw).to_parquet("new.parquet")
    assert call("--source", "./new.parquet", "--model", MODEL, "--scored", "scored") == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert words in told
    assert told.count("\n") == 1
    assert not list((trained / "scored").glob("*.parquet"))


def test_absent_table_is_one_line(trained: Path, session: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    """What Spark refuses is told in its first line."""
    assert call("--source", "nowhere", "--model", MODEL, "--scored", "scored") == 2
    assert "TABLE_OR_VIEW_NOT_FOUND" in capsys.readouterr().err


# --- what the workers run, without Spark ---------------------------------------------------------------------------


def test_a_worker_loads_the_model_once(trained: Path, raw: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks of a worker share the model, although each brings it along."""
    import pyarrow as arrow

    opened: list[Path] = []

    def open_and_count(folder: Path) -> models.Predict:
        opened.append(folder)
        return lambda frame: frame[[]]

    monkeypatch.setattr(models, "opened", open_and_count)
    spark._opened.cache_clear()
    content = spark.packed(MODEL, Path("shared"))
    assert isinstance(content, bytes)
    for _ in range(3):
        task = spark.Job(bytes(bytearray(content)), "1", 100)
        assert sum(batch.num_rows for batch in task(arrow.Table.from_pandas(raw).to_batches())) == len(raw)
    spark._opened.cache_clear()
    assert len(opened) == 1


def test_a_worker_holds_no_more_than_a_chunk(trained: Path, raw: pd.DataFrame) -> None:
    """A large batch is scored in pieces, and the columns and types are the announced ones for each."""
    import pyarrow as arrow

    task = job(chunk_rows=50)
    batches = list(task(arrow.Table.from_pandas(raw).to_batches()))
    assert max(batch.num_rows for batch in batches) == 50
    assert {batch.schema for batch in batches} == {task.schema()}
