"""Batch scoring in Spark: each row goes through the function that `pipeline score` uses, in Spark's Python workers.

The job `score` runs this file on serverless compute. That is Spark Connect: no RDD, no broadcast, no cache, and few
settings may be set. So the model travels inside the query, or waits in this run's folder when it is too large, a worker
keeps it for all its tasks, and what was scored is written once, to that folder, from which the tables are filled.

Run: python databricks/score.py --help      (locally with PYSPARK_PYTHON set to this Python)
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handbook_assistant import rows, settings, spark
from handbook_assistant.cli import DEV, Config, ScoringModel, Set
from handbook_assistant.errors import InputError, PipelineError
from handbook_assistant.serving import chosen

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# As the package reads CSV files: a quote is doubled, a value may hold a line break, columns are told by their names.
CSV: dict[str, bool | str] = {
    "header": True,
    "escape": '"',
    "multiLine": True,
    "enforceSchema": False,
    "mode": "FAILFAST",
}
# The tables of a folder by their suffix.
TABLES = {".csv": spark.Form.TEXT, ".parquet": spark.Form.TYPED}
# Spark leaves out what begins so, files and folders alike. What begins with a dot is no row anywhere.
HIDDEN = "_"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
Source = Annotated[str, typer.Option(help="Rows: a folder or file as for `pipeline score`, or the name of a table.")]
Folder = Annotated[Path, typer.Option("--scored", help="Folder for the rows of this run, a new one for each run.")]
Predictions = Annotated[str | None, typer.Option(help="Table that the predictions are appended to.")]
Rejected = Annotated[str | None, typer.Option(help="Table that the rejected rows are appended to.")]


def scored(table: DataFrame, job: spark.Job) -> DataFrame:
    """Score each row of a table.

    Returns:
        a row for each row: `prediction` and `rejected`, of which one is null and the other holds the columns that
        `pipeline score` writes.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    return table.mapInArrow(job, from_arrow_schema(job.schema()))


def part(table: DataFrame, column: str) -> DataFrame:
    """The predictions, or the rejected rows, of what was scored."""
    return table.where(f"{_always(column)} is not null").select(f"{column}.*")


def _always(column: str) -> str:
    """One field, since Spark reads all of a column to see whether it is null."""
    return f"{column}.{spark.ALWAYS[column]}"


def read(session: SparkSession, source: str, job: spark.Job) -> Iterator[tuple[DataFrame, spark.Job]]:
    """The raw rows as Spark reads them, with what scores those of one form.

    Raises:
        InputError: a folder holds no rows, or a file that Spark would leave out.
    """
    folder = Path(source)
    if "/" not in source and not folder.exists():
        yield session.read.table(source), job
        return
    found: dict[spark.Form, list[str]] = {}
    for file in rows.tables(folder):
        found.setdefault(TABLES[file.suffix], []).append(str(file.resolve()))
    if texts := found.get(spark.Form.TEXT):
        yield session.read.options(**CSV).csv(texts), replace(job, form=spark.Form.TEXT)
    if typed := found.get(spark.Form.TYPED):
        yield session.read.option("mergeSchema", True).parquet(*typed), job
    if any_file(folder):
        root = str((folder if folder.is_dir() else folder.parent).resolve())
        yield binary(session, folder), replace(job, form=spark.Form.FILES, root=root)
    elif not found:
        # Says what is amiss, as `pipeline score` does.
        next(rows.chunks(folder, job.chunk_rows))


def any_file(folder: Path) -> bool:
    """Whether there are files of one row each.

    Raises:
        InputError: Spark would leave one of them out, without a word.
    """
    one = False
    for path in rows.files(folder):
        one = True
        names = path.relative_to(folder).parts if folder.is_dir() else (path.name,)
        if any(name.startswith(HIDDEN) for name in names):
            raise InputError(f"Spark leaves out {path}: no name of a file or folder may begin with _; rename it")
    return one


def binary(session: SparkSession, source: Path) -> DataFrame:
    """A row for each file of one row: `path` and `content`.

    Spark gives a task 128 MiB of them, or one larger file: it counts each file as 4 MiB at least, so 32 files at most.
    That, and no setting (serverless compute may refuse it), keeps a batch small.
    """
    # Suffixes in small and capital letters.
    suffixes = ("".join(f"[{sign}{sign.upper()}]" if sign.isalpha() else sign for sign in end) for end in rows.FILES)
    names = "{" + ",".join(f"*{suffix}" for suffix in suffixes) + "}"
    reader = session.read.format("binaryFile").options(recursiveFileLookup=True, pathGlobFilter=names)
    return reader.load(escaped(str(source.resolve()))).select("path", "content")


def escaped(path: str) -> str:
    """A path that Spark takes as it is, and not for a pattern."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)


def write(session: SparkSession, source: str, folder: Path, job: spark.Job) -> tuple[int, int]:
    """Score the rows of a source into a folder; how many were predicted, and how many set aside.

    Raises:
        InputError: no row could be scored.
    """
    # One pass: what is asked twice of Spark is scored twice, where nothing can be cached.
    once = folder / "once.parquet"
    first, *others = [scored(table, own) for table, own in read(session, source, job)]
    for other in others:
        first = first.union(other)
    try:
        first.write.mode("overwrite").parquet(str(once))
        both = session.read.schema(first.schema).parquet(str(once))
        (counts,) = both.selectExpr(*(f"count({_always(name)})" for name in spark.ALWAYS)).collect()
        if not counts[0]:
            raise InputError(f"no row of {source} could be scored{_first_reason(both)}")
        for column, name in ((spark.PREDICTION, "predictions"), (spark.REJECTED, "rejected")):
            part(both, column).write.mode("overwrite").parquet(str(folder / f"{name}.parquet"))
    finally:
        shutil.rmtree(once, ignore_errors=True)
    return counts[0], counts[1]


def _first_reason(both: DataFrame) -> str:
    found = part(both, spark.REJECTED).select(rows.REASON).head()
    return f": the first has {found[0]}" if found else ": the tables are empty"


@app.command()
def score(
    source: Source,
    folder: Folder,
    predictions: Predictions = None,
    rejected: Rejected = None,
    model: ScoringModel = None,
    config: Config = DEV,
    pairs: Set = None,
) -> None:
    """Predict for new rows in Spark, and append predictions and rejected rows to tables."""
    from pyspark.sql import SparkSession

    chosen_settings = settings.load(config, pairs or ())
    if (folder / "rejected.parquet").exists():
        raise InputError(f"{folder} holds the rows of an earlier run: give each run a folder of its own")
    folder = folder.resolve()
    copy = folder / "model"
    try:
        with chosen(model, chosen_settings) as (content, version):
            job = spark.Job(spark.packed(content, copy), version, chosen_settings.score.chunk_rows)
        session = SparkSession.builder.getOrCreate()
        good, bad = write(session, source, folder, job)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    for name, table in (("predictions", predictions), ("rejected", rejected)):
        if table:
            # A model that knows one more class than those before it brings one more column.
            new = session.read.parquet(str(folder / f"{name}.parquet"))
            new.write.mode("append").option("mergeSchema", True).saveAsTable(table)
    print(f"score: {good} rows predicted by version {version}, {bad} set aside, in {folder}", flush=True)


def explained(error: Exception) -> str:
    """What went wrong in Spark, in one line: the words of this package, when a worker said them."""
    ours = re.search(r"InputError: (.+)", str(error))
    return ours[1] if ours else f"Spark could not score: {(str(error).strip().splitlines() or ['no message'])[0]}"


def main() -> None:
    """Run the command. A problem that the user can mend is one line on standard error, not a traceback."""
    from pyspark.errors import PySparkException

    try:
        app()
    except SystemExit as stop:
        # A Databricks task that ends in SystemExit has failed there, whatever the exit code.
        if stop.code:
            raise
    except PipelineError as error:
        sys.exit(_report(str(error), error.exit_code))
    except PySparkException as error:
        sys.exit(_report(explained(error), 2))


def _report(message: str, exit_code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    main()
