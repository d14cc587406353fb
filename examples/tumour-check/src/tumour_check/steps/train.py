"""Fit a model on the training rows and save it with what serving needs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .. import flavor, metrics, model, rows, schema, tracking
from ..errors import InputError
from ..folders import writing
from ..progress import say, stage
from ..settings import Settings

EXAMPLE_ROWS = 5


def train(data: Path, folder: Path, settings: Settings) -> None:
    """Write an MLflow model folder, and the validation metrics to the tracking server.

    The metric `validation_loss` (mean over the rows, lower is better) has this name in every project, for
    sweeps to minimise.

    Raises:
        InputError: the prepared rows are missing, or the model can't be fitted to them.
    """
    fitting, validation = rows.prepared(data, "train"), rows.prepared(data, "validation")
    with tracking.run("train", settings.flat(), settings.tracking):
        with stage("train: fit"):
            fitted = _fit(fitting, settings)
        predicted = flavor.predict(fitted, schema.inputs(validation))
        loss = float(metrics.row_losses(validation[schema.TARGET], predicted).mean())
        values = metrics.evaluate(validation[schema.TARGET], predicted)
        tracking.log({"validation_loss": loss} | {f"validation_{name}": value for name, value in values.items()})
        with stage("train: save"), writing(folder) as out:
            flavor.save(fitted, out, schema.inputs(fitting).head(EXAMPLE_ROWS))
    say(f"train: {_words(values)} on {len(validation)} validation rows, model in {folder}")


def _fit(fitting: pd.DataFrame, settings: Settings) -> flavor.Model:
    try:
        return model.build(settings.train).fit(schema.inputs(fitting), fitting[schema.TARGET])
    except ValueError as error:  # scikit-learn's answer to rows and settings that do not go together
        raise InputError(f"the model cannot be fitted: {str(error).splitlines()[0]}") from error


def _words(values: dict[str, float]) -> str:
    return " · ".join(f"{name} {value:.3f}" for name, value in values.items())
