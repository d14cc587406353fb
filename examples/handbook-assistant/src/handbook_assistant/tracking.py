"""MLflow on one machine or in a job, by the same three calls.

Without a setting and without MLFLOW_TRACKING_URI everything is in mlflow.db and mlruns/ in the project folder. A
platform sets the variable inside its jobs (and MLFLOW_RUN_ID, which `start_run` takes up by itself), or where it
can't, the job's command gives the settings of the block `tracking`.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow

from . import NAME
from .progress import importing
from .settings import Tracking

LOCAL_STORE = "mlflow.db"


def connect(where: Tracking) -> None:
    """Point MLflow at this project's tracking store and keep its chatter off the terminal."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="mlflow")
    local = f"sqlite:///{Path(LOCAL_STORE).resolve().as_posix()}"
    mlflow.set_tracking_uri(where.uri or os.environ.get("MLFLOW_TRACKING_URI") or local)
    # A job's run already belongs to an experiment.
    if "MLFLOW_RUN_ID" not in os.environ:
        with importing():  # MLflow imports its store with the first question to it
            mlflow.set_experiment(where.experiment or NAME)


@contextmanager
def run(step: str, parameters: Mapping[str, Any], where: Tracking) -> Iterator[str]:
    """Record a step as a run, inside the current one if there is any, and yield the run's id."""
    connect(where)
    nested = mlflow.active_run() is not None
    with mlflow.start_run(run_name=step, nested=nested, log_system_metrics=False) as active:
        mlflow.log_params(dict(parameters))
        yield active.info.run_id


def log(
    metrics: Mapping[str, float], folder: Path | None = None, name: str | None = None, step: int | None = None
) -> None:
    """Add finite metrics, of one step of a training or of all, and the files of a folder under a name, to the run."""
    mlflow.log_metrics({name: value for name, value in metrics.items() if value == value}, step=step)
    if folder is not None:
        mlflow.log_artifacts(str(folder), name)
