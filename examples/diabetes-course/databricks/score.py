"""Batch scoring in Spark: each row goes through the function that `pipeline score` uses, in Spark's Python workers.

The job `score` runs this file on serverless compute. That is Spark Connect: no RDD, no broadcast, no cache, and few
settings may be set. So the model travels inside the query, a worker keeps it for all its tasks, and what was scored is
written once, to a folder of this run, from which the tables are filled.

Run: python databricks/score.py --help      (locally with PYSPARK_PYTHON set to this Python)
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diabetes_course import rows, settings, spark
from diabetes_course.cli import DEV, Config, ScoringModel, Set
from diabetes_course.errors import InputError, PipelineError
from diabetes_course.serving import chosen

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
TEXT, TYPED = ".csv", ".parquet"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
Source = Annotated[str, typer.Option(help="A folder or file of .csv and .parquet rows, or the name of a table.")]
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


def read(session: SparkSession, source: str) -> dict[bool, DataFrame]:
    """The raw rows by whether all their values are texts.

    Raises:
        InputError: a folder holds no rows.
    """
    if "/" not in source and not Path(source).exists():
        return {False: session.read.table(source)}
    files = [str(file.resolve()) for file in rows.tables(Path(source))]
    texts, typed = ([file for file in files if file.endswith(suffix)] for suffix in (TEXT, TYPED))
    tables = {}
    if texts:
        tables[True] = session.read.options(**CSV).csv(texts)
    if typed:
        tables[False] = session.read.option("mergeSchema", True).parquet(*typed)
    return tables


def write(session: SparkSession, source: str, folder: Path, job: spark.Job) -> tuple[int, int]:
    """Score the rows of a source into a folder; how many were predicted, and how many set aside.

    Raises:
        InputError: no row could be scored.
    """
    # One pass: what is asked twice of Spark is scored twice, where nothing can be cached.
    once = folder / "once.parquet"
    first, *others = [
        scored(table, spark.Job(job.model, job.version, job.chunk_rows, text))
        for text, table in read(session, source).items()
    ]
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
    with chosen(model, chosen_settings) as (content, version):
        job = spark.Job(spark.packed(content), version, chosen_settings.score.chunk_rows)
    session = SparkSession.builder.getOrCreate()
    folder = folder.resolve()
    good, bad = write(session, source, folder, job)
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
