"""Fit a text classifier on the training rows and save it with what serving needs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pandas as pd

from .. import calibration, flavor, metrics, model, rows, schema, tokens, tracking
from ..classifier import Classifier, Scorer, Tfidf
from ..errors import InputError
from ..folders import writing
from ..progress import counter, importing, say, stage
from ..settings import Settings

EXAMPLE_ROWS = 5


def train(data: Path, folder: Path, settings: Settings) -> None:
    """Write an MLflow model folder, and the validation metrics to the tracking server.

    The metric `validation_loss` (mean over the rows, lower is better) has this name in every project, for
    sweeps to minimise. It is measured on what is served: exported, with 8-bit weights where they are, calibrated.
    Where a launcher has started several processes, the first does all this and the others only train.

    Raises:
        InputError: the prepared rows are missing, or settings, rows and machine do not go together.
    """
    fitting, validation = rows.prepared(data, "train"), rows.prepared(data, "validation")
    if os.environ.get("RANK", "0") != "0":
        _follow(fitting, validation, settings)
        return
    with tracking.run("train", settings.flat(), settings.tracking):
        fitted = _calibrated(SCORERS[settings.train.kind](fitting, validation, settings), validation)
        predicted = flavor.predict(fitted, schema.inputs(validation))
        loss = float(metrics.row_losses(validation[schema.TARGET], predicted).mean())
        values = metrics.evaluate(validation[schema.TARGET], predicted)
        tracking.log({"validation_loss": loss} | {f"validation_{name}": value for name, value in values.items()})
        tracking.log({name: float(value) for name, value in fitted.export.items() if not isinstance(value, str)})
        with stage("train: save"), writing(folder) as out:
            flavor.save(fitted, out, schema.inputs(fitting).head(EXAMPLE_ROWS))
    _clear(settings)
    say(f"train: {_words(values)} on {len(validation)} validation rows, model in {folder}")


def _tfidf(fitting: pd.DataFrame, _: pd.DataFrame, settings: Settings) -> Scorer:
    with stage("train: fit"):
        try:
            pipeline = model.tfidf(settings.train)
            return Tfidf(pipeline.fit(tokens.texts(schema.inputs(fitting)), fitting[schema.TARGET]))
        except ValueError as error:  # scikit-learn's answer to rows and settings that do not go together
            raise InputError(f"the model cannot be fitted: {str(error).splitlines()[0]}") from error


def _transformer(fitting: pd.DataFrame, validation: pd.DataFrame, settings: Settings) -> Scorer:
    with stage("train: load torch and transformers"), importing():
        from .. import export, training  # take seconds, and only this needs them
    start = time.perf_counter()
    with counter("train: steps") as count:

        def report(steps: int, values: training.Values) -> None:
            count(steps)
            if values:
                _log(values)

        learned = training.fit(fitting, validation, settings, report)
    assert learned is not None  # noqa: S101, as this is the first process
    say(f"train: fit · {time.perf_counter() - start:.1f} s")
    with stage("train: export"), training.threads(settings.train):
        classes = training.known_classes(fitting)
        examples = training.examples(validation, classes)
        return export.export(learned, classes, examples, quantize=settings.train.quantize)


SCORERS = {"tfidf": _tfidf, "transformer": _transformer}


def _follow(fitting: pd.DataFrame, validation: pd.DataFrame, settings: Settings) -> None:
    """What is done in a process that is not the first."""
    if settings.train.kind == "transformer":
        from .. import training

        training.fit(fitting, validation, settings, lambda *_: None)


def _clear(settings: Settings) -> None:
    if settings.train.kind == "transformer":
        from .. import checkpoint

        checkpoint.remove(settings.train.checkpoint)


def _calibrated(scorer: Scorer, validation: pd.DataFrame) -> Classifier:
    """A classifier with the temperature that suits rows it did not learn from, those of a class it knows."""
    known = validation[validation[schema.TARGET].isin(scorer.classes)]
    scores = scorer.scores(tokens.texts(schema.inputs(known)))
    return Classifier(
        scorer, calibration.temperature(scores, pd.Index(scorer.classes).get_indexer(pd.Index(known[schema.TARGET])))
    )


def _log(values: dict[str, float]) -> None:
    tracking.log({"evaluation_loss": values["loss"]}, step=int(values["step"]))
    say(f"train: step {values['step']:.0f} of {values['steps']:.0f} · validation loss {values['loss']:.3f}")


def _words(values: dict[str, float]) -> str:
    return " · ".join(f"{name} {value:.3f}" for name, value in values.items())
