"""Say how far today's rows and predictions are from the training rows, and whether that calls for retraining.

Monitoring never retrains: it writes retrain.json, and a workflow acts on it.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from .. import charts, drift, models, rows, schema
from ..card import PICTURES
from ..folders import write_json, writing
from ..progress import say, stage
from ..serving import chosen
from ..settings import Monitor, Settings

PREDICTION = "prediction"


def monitor(data: Path, source: Path, model: Path | None, predictions: Path, report: Path, settings: Settings) -> None:
    """Write drift.json, retrain.json and a chart.

    Args:
        data: folder of the prepared rows: the training rows are the reference for the columns, and what the model
            predicts for the rows that it has not seen is the reference for its predictions.
        source: current rows.
        model: the model that scored them; None for the registry's champion.
        predictions: folder that `score` wrote for them.
        report: output folder.

    Raises:
        InputError: one of the inputs is missing or can't be read.
    """
    limits = settings.monitor
    with stage("monitor"), writing(report) as out:
        checked = rows.check(rows.read(source), schema.INPUTS)
        scored = rows.predictions(predictions)
        found = drift.compare(
            _columns(rows.prepared(data, "train"), _reference(data, model, settings)),
            _columns(checked.good, scored[PREDICTION]),
            limits.psi_at_most,
            limits.significance,
        )
        decision = decide(found, len(checked.good), limits)
        quality = {"rows": len(checked.good), "rejected": len(checked.rejected)}
        write_json(out / "drift.json", {**quality, "columns": [asdict(column) for column in found]})
        write_json(out / "retrain.json", {**decision, "window": _window(scored)})
        charts.save({"drift": charts.drift(found, limits.psi_at_most)}, out / PICTURES)
    say(f"monitor: {'retrain' if decision['retrain'] else 'keep the model'} · {'; '.join(decision['reasons'])}")


def decide(found: list[drift.Drift], current_rows: int, limits: Monitor) -> dict[str, Any]:
    """Whether to retrain, with the reasons. Too few rows decide nothing."""
    if current_rows < limits.minimum_rows:
        return {"retrain": False, "reasons": [f"{current_rows} current rows, {limits.minimum_rows} needed to decide"]}
    inputs = [column for column in found if column.column != PREDICTION]
    drifted = [column.column for column in inputs if column.drifted]
    reasons = [f"{name} has drifted" for name in drifted] if _too_many(drifted, inputs, limits) else []
    reasons += ["the predictions have drifted" for column in found if column.column == PREDICTION and column.drifted]
    return {"retrain": bool(reasons), "reasons": reasons or [f"{len(drifted)} of {len(inputs)} columns have drifted"]}


def _too_many(drifted: list[str], inputs: list[drift.Drift], limits: Monitor) -> bool:
    return len(drifted) > limits.drifted_share_at_most * len(inputs)


def _reference(data: Path, model: Path | None, settings: Settings) -> pd.Series:
    """Not the target: a model's predictions are spread less than what they predict."""
    unseen = pd.concat([rows.prepared(data, "validation"), rows.prepared(data, "test")], ignore_index=True)
    with chosen(model, settings) as (folder, _):
        return models.predict(folder, schema.inputs(unseen))[PREDICTION]


def _columns(frame: pd.DataFrame, predicted: pd.Series) -> pd.DataFrame:
    """The model's inputs and predictions side by side. They need not be equally many: what is missing is ignored."""
    names = [name for name in schema.INPUTS.columns if name not in (schema.ID, schema.GROUP)]
    return pd.concat([frame[names].reset_index(drop=True), predicted.rename(PREDICTION).reset_index(drop=True)], axis=1)


def _window(scored: pd.DataFrame) -> dict[str, str]:
    return {"from": scored["scored_at"].min().isoformat(), "to": scored["scored_at"].max().isoformat()}
