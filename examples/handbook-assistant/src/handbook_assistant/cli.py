"""The door: each command reads its options and calls one step.

The steps are imported inside the commands: `pipeline --help` and a misspelt option need not wait for MLflow.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import PipelineError

if TYPE_CHECKING:
    from .settings import Settings

app = typer.Typer(
    help="From raw rows to a registered model: prepare, train, evaluate, register (or `run` for the four).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RAW = Path("data/raw")
DATA = Path("outputs/data")
MODEL = Path("outputs/model")
REPORT = Path("outputs/report")
PREDICTIONS = Path("outputs/predictions")
MONITORING = Path("outputs/monitoring")

Config = Annotated[Path, typer.Option("--config", help="Settings of an environment, over the base.yml beside it.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as train.seed=1. Repeatable.")]
Source = Annotated[Path, typer.Option("--source", help="A .csv or .parquet file, or a folder of them.")]
Data = Annotated[Path, typer.Option("--data", help="Folder of the prepared rows.")]
Model = Annotated[Path, typer.Option("--model", help="Folder of the model, in MLflow's format.")]
Report = Annotated[Path, typer.Option("--report", help="Folder of the report.")]
Predictions = Annotated[Path, typer.Option("--predictions", help="Folder of the predictions.")]
Champion = Annotated[
    Path | None, typer.Option("--champion", help="Folder of the model to compare with. [default: the registry's]")
]
ScoringModel = Annotated[
    Path | None, typer.Option("--model", help="Folder of a model. [default: the registry's champion]")
]

DEV = Path("config/dev.yml")


@app.command()
def sample(source: Source = RAW) -> None:
    """Write sample rows to start with."""
    with loading():
        from .steps.sample import sample as step

    step(source)


@app.command()
def prepare(source: Source = RAW, data: Data = DATA, config: Config = DEV, pairs: Set = None) -> None:
    """Check raw rows, set bad ones aside, split the rest."""
    settings = _settings(config, pairs)
    with loading():
        from .steps.prepare import prepare as step

    step(source, data, settings)


@app.command()
def train(data: Data = DATA, model: Model = MODEL, config: Config = DEV, pairs: Set = None) -> None:
    """Fit a model and save it as an MLflow model folder."""
    settings = _settings(config, pairs)
    with loading():
        from .steps.train import train as step

    step(data, model, settings)


@app.command()
def evaluate(
    data: Data = DATA,
    model: Model = MODEL,
    report: Report = REPORT,
    champion: Champion = None,
    config: Config = DEV,
    pairs: Set = None,
) -> None:
    """Measure a model and ask the gate.

    Exit code 1 when the gate refuses; the report says why.
    """
    settings = _settings(config, pairs)
    with loading():
        from .steps.evaluate import evaluate as step

    step(data, model, report, champion, settings)


@app.command()
def register(model: Model = MODEL, report: Report = REPORT, config: Config = DEV, pairs: Set = None) -> None:
    """Add a model that passed to the registry."""
    settings = _settings(config, pairs)
    with loading():
        from .steps.register import register as step

    step(model, report, settings)


@app.command()
def run(
    source: Source = RAW,
    data: Data = DATA,
    model: Model = MODEL,
    report: Report = REPORT,
    config: Config = DEV,
    pairs: Set = None,
) -> None:
    """Prepare, train, evaluate and register.

    Starts from the sample rows when data/raw is empty.
    """
    settings = _settings(config, pairs)
    with loading():
        from .steps.run import run as step

    step(source, data, model, report, settings, start_from_sample=source == RAW)


@app.command()
def score(
    source: Source = RAW,
    model: ScoringModel = None,
    predictions: Predictions = PREDICTIONS,
    config: Config = DEV,
    pairs: Set = None,
) -> None:
    """Predict for new rows, chunk by chunk."""
    settings = _settings(config, pairs)
    with loading():
        from .steps.score import score as step

    step(source, model, predictions, settings)


@app.command()
def monitor(
    data: Data = DATA,
    source: Source = RAW,
    model: ScoringModel = None,
    predictions: Predictions = PREDICTIONS,
    report: Report = MONITORING,
    config: Config = DEV,
    pairs: Set = None,
) -> None:
    """Compare new rows with those of the training."""
    settings = _settings(config, pairs)
    with loading():
        from .steps.monitor import monitor as step

    step(data, source, model, predictions, report, settings)


@contextmanager
def loading() -> Iterator[None]:
    """A spinner while a step's libraries are imported, which takes seconds."""
    from .progress import console, importing

    with console.status("loading libraries"), importing():
        yield


def _settings(config: Path, pairs: list[str] | None) -> Settings:
    """Read before a step is imported, so that a slip in the configuration shows at once."""
    from .settings import load

    return load(config, pairs or ())


def main() -> None:
    """Run a command. A problem that the user can mend is one line on standard error, not a traceback."""
    try:
        app()
    except SystemExit as stop:
        # A Databricks task that ends in SystemExit has failed there, whatever the exit code.
        if stop.code:
            raise
    except PipelineError as error:
        sys.exit(_report(str(error), error.exit_code))
    except Exception as error:
        if not _is_service_error(error):
            raise
        sys.exit(_report(f"the tracking server refused: {str(error).splitlines()[0]}; check MLFLOW_TRACKING_URI", 2))


def _report(message: str, exit_code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return exit_code


def _is_service_error(error: Exception) -> bool:
    """MLflow's own errors, told by name: importing MLflow takes longer than most commands."""
    return any(kind.__name__ == "MlflowException" for kind in type(error).__mro__)
