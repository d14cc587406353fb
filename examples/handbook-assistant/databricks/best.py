"""Puts the best trial of a sweep where its evaluation looks for a model: spark_python_task of resources/sweep.yml.

Each trial wrote its model to a folder named by its number, and its validation_loss to MLflow, in a run whose parameter
tracking.label is LABEL/NUMBER. Exit code 0 good, 2 wrong input or a problem of the service.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handbook_assistant.errors import InputError, PipelineError
from handbook_assistant.folders import writing

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

LOSS = "validation_loss"
MOST = 1000

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def best(
    trials: Annotated[Path, typer.Option(help="Folder with a model folder a trial.")],
    model: Annotated[Path, typer.Option(help="Folder for the best of them.")],
    label: Annotated[str, typer.Option(help="What the sweep's trials are labelled with.")],
    experiment: Annotated[str, typer.Option(help="Name of the experiment that the trials logged to.")],
    tracking: Annotated[str, typer.Option(help="Where MLflow keeps it.")],
) -> None:
    """Copy the model of the trial with the lowest validation_loss."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        runs = labelled(MlflowClient(tracking), experiment, label)
    except MlflowException as error:
        raise InputError(f"MLflow refused: {' '.join(str(error).split())[:300]}") from error
    numbers = sorted(folder.name for folder in trials.iterdir()) if trials.is_dir() else []
    losses = {number: runs[number].data.metrics[LOSS] for number in numbers if measured(runs.get(number))}
    if not losses:
        raise InputError(f"no trial in {trials} has a {LOSS} in {experiment}: look at the trials' logs")
    for number, loss in sorted(losses.items(), key=lambda trial: trial[1]):
        print(f"{LOSS} {loss:.6g}: trial {number}", flush=True)
    chosen = min(losses, key=lambda number: losses[number])
    with writing(model) as out:
        shutil.copytree(trials / chosen, out, copy_function=shutil.copyfile, dirs_exist_ok=True)
    print(f"trial {chosen} is the best of {len(losses)}, model in {model}", flush=True)


def labelled(client: MlflowClient, experiment: str, label: str) -> dict[str, Run]:
    """The latest run of each trial, by its number: a trial that was repaired ran more than once.

    Raises:
        InputError: there is no such experiment.
    """
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise InputError(f"there is no experiment {experiment}: deploy the bundle again")
    where = f"params.`tracking.label` LIKE '{label}/%'"
    # So many trials do not fit into the parameter of the job.
    trials = client.search_runs([found.experiment_id], where, max_results=MOST, order_by=["attributes.start_time ASC"])
    return {run.data.params["tracking.label"].rpartition("/")[2]: run for run in trials}


def measured(run: Run | None) -> bool:
    """Whether a trial's run has a loss: one that is no number is not logged."""
    return run is not None and LOSS in run.data.metrics


def main() -> None:
    """Run the command; return when all is well, since Databricks takes any SystemExit for a failure."""
    try:
        app()
    except SystemExit as stop:
        if stop.code:
            raise
    except PipelineError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
