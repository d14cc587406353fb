"""Train a picture classifier, export it, and save it with what serving needs."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from .. import batches, checkpoint, export, flavor, metrics, processes, rows, schema, tracking, training
from ..folders import writing
from ..progress import counter, say, stage
from ..settings import Settings

EXAMPLE_ROWS = 5


def train(data: Path, folder: Path, settings: Settings) -> None:
    """Write an MLflow model folder, and the metrics of each epoch and of the exported model to the tracking server.

    The metric `validation_loss` (mean over the rows, lower is better) has this name in every project, for
    sweeps to minimise. It is measured on what is served. Where a launcher has started several processes, the first
    does all this and the others only train.

    Raises:
        InputError: the prepared rows are missing, or settings, rows and machine do not go together.
    """
    if not processes.here().first:
        training.fit(data, settings, _ignore)
        return
    batches.file(data, "train")  # what is missing shows before a run is recorded
    validation = rows.prepared(data, "validation")
    with tracking.run("train", settings.flat(), settings.tracking), tempfile.TemporaryDirectory() as scratch:
        weights = _fit(data, settings)
        exported = Path(scratch, flavor.FOLDER)
        exported.mkdir()
        with stage("train: export"):
            model = export.export(weights, data, settings.train, exported)
        predicted = flavor.predict(model, schema.inputs(validation))
        loss = float(metrics.row_losses(validation[schema.TARGET], predicted).mean())
        values = metrics.evaluate(validation[schema.TARGET], predicted)
        tracking.log({"validation_loss": loss} | {f"validation_{name}": value for name, value in values.items()})
        tracking.log({name: value for name, value in model.report.items() if isinstance(value, float)})
        with stage("train: save"), writing(folder) as out:
            flavor.save(model, out, schema.inputs(validation).head(EXAMPLE_ROWS))
    checkpoint.remove(settings.train.checkpoint)
    say(f"train: {_words(values)} on {len(validation)} validation rows, model in {folder}")


def _fit(data: Path, settings: Settings) -> training.Weights:
    start = time.perf_counter()
    with counter("train: pictures") as count:

        def report(pictures: int, values: training.Values) -> None:
            count(pictures)
            if values:
                _log(values, settings.train.epochs)

        weights = training.fit(data, settings, report)
    say(f"train: fit · {time.perf_counter() - start:.1f} s")
    return weights


def _log(values: training.Values, epochs: int) -> None:
    number = int(values["epoch"])
    tracking.log({name: value for name, value in values.items() if name != "epoch"}, step=number)
    say(
        f"train: epoch {number} of {epochs} · loss {values['epoch_loss']:.3f}"
        f" · validation loss {values['epoch_validation_loss']:.3f}"
        f" · accuracy {values['epoch_validation_accuracy']:.3f} · {values['epoch_seconds']:.1f} s"
    )


def _ignore(*_: object) -> None:
    """Only the first process reports."""


def _words(values: dict[str, float]) -> str:
    return " · ".join(f"{name} {value:.3f}" for name, value in values.items())
