"""Say how far today's rows and predictions are from the training rows, and whether that calls for retraining.

Monitoring never retrains: it writes retrain.json, and a workflow acts on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import charts, descriptors, drift, models, operations, rows, schema, scoring
from ..card import PICTURES
from ..errors import InputError
from ..folders import write_json, writing
from ..progress import say, stage
from ..serving import chosen
from ..settings import Monitor, Settings

COMPARED = list(operations.COMPARED)
WORDS = {"prediction": "the predictions have drifted"}
# As many rows of each side are looked at as a whole: the area's standard error is below 0.01 then.
LARGEST_SAMPLE = 2000
KEY = "_key"


def monitor(data: Path, source: Path, model: Path | None, predictions: Path, report: Path, settings: Settings) -> None:
    """Write drift.json, retrain.json and a chart.

    Args:
        data: folder of the prepared rows: the training rows are the reference for the new ones, and what the model
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
        current = observe(rows.chunks(source, settings.score.chunk_rows))
        scored = rows.predictions(predictions)
        known = rows.prepared(data, "train")
        found = drift.compare(
            _side_by_side(descriptors.columns(known), _reference(data, model, settings)),
            _side_by_side(current.columns, scored[COMPARED]),
            limits.psi_at_most,
            limits.significance,
        )
        whole = _domain(_sampled(known), current.sample, limits)
        values, reasons = operations.signals(scored, limits)
        age = _age(model, settings)
        decision = decide(found, whole, len(current.columns), limits, [*_too_old(age, limits), *reasons])
        quality = {"rows": len(current.columns), "rejected": current.rejected, "model_age_days": age, **values}
        columns = [asdict(column) for column in found]
        write_json(out / "drift.json", {**quality, "columns": columns, "domain": asdict(whole) if whole else None})
        write_json(out / "retrain.json", {**decision, "window": _window(scored)})
        charts.save({"drift": charts.drift(found, limits.psi_at_most)}, out / PICTURES)
    say(f"monitor: {'retrain' if decision['retrain'] else 'keep the model'} · {'; '.join(decision['reasons'])}")


@dataclass(frozen=True)
class Observed:
    """Today's rows: the descriptors of each good one, a sample of them as they are, and how many were set aside."""

    columns: pd.DataFrame
    sample: pd.DataFrame
    rejected: int


def observe(chunks: Iterable[pd.DataFrame]) -> Observed:
    """Look at raw rows chunk by chunk, keeping of each row no more than its descriptors.

    Raises:
        InputError: a column is missing, or there is no row.
    """
    columns: list[pd.DataFrame] = []
    sample: list[pd.DataFrame] = []
    rejected = 0
    keys = np.random.default_rng(0)
    for chunk in chunks:
        checked = rows.check(chunk, scoring.ROW)
        rejected += len(checked.rejected)
        columns.append(descriptors.columns(checked.good))
        # The rows with the smallest of random keys are a fair sample of all, however many there will be.
        keyed = checked.good.assign(**{KEY: keys.random(len(checked.good))})
        sample = [pd.concat([*sample, keyed]).nsmallest(LARGEST_SAMPLE, KEY)]
    if not columns:
        raise InputError("the tables to monitor are empty: give --source the rows that were scored")
    return Observed(pd.concat(columns, ignore_index=True), sample[0].drop(columns=KEY), rejected)


def decide(
    found: list[drift.Drift],
    whole: drift.Domain | None,
    current_rows: int,
    limits: Monitor,
    others: Sequence[str] = (),
) -> dict[str, Any]:
    """Whether to retrain, with the reasons. Too few rows decide nothing.

    Args:
        found: the verdict on each column.
        whole: that on the rows as a whole.
        current_rows: how many there are.
        limits: of the settings.
        others: reasons that have nothing to do with rows.
    """
    if current_rows < limits.minimum_rows:
        return {"retrain": False, "reasons": [f"{current_rows} current rows, {limits.minimum_rows} needed to decide"]}
    inputs = [column for column in found if column.column not in COMPARED]
    drifted = _drifted(inputs)
    reasons = [f"{name} has drifted" for name in drifted] if _too_many(drifted, inputs, limits) else []
    reasons += [WORDS.get(name, f"the {name} has drifted") for name in _drifted(found) if name in COMPARED]
    if whole and whole.drifted:
        reasons.append(f"the rows as a whole have drifted: a classifier finds today's with an AUC of {whole.auc:.2f}")
    reasons += others
    return {"retrain": bool(reasons), "reasons": reasons or [f"{len(drifted)} of {len(inputs)} columns have drifted"]}


def _drifted(found: list[drift.Drift]) -> list[str]:
    return [column.column for column in found if column.drifted]


def _too_many(drifted: list[str], inputs: list[drift.Drift], limits: Monitor) -> bool:
    return len(drifted) > limits.drifted_share_at_most * len(inputs)


def _age(model: Path | None, settings: Settings) -> float:
    """Days since the model was made."""
    with chosen(model, settings) as (folder, _):
        made = models.made(folder)
    return (datetime.now(UTC) - made).total_seconds() / 86_400


def _too_old(age: float, limits: Monitor) -> list[str]:
    if limits.age_at_most is None or age <= limits.age_at_most:
        return []
    return [f"the model is {age:.0f} days old, at most {limits.age_at_most:.0f} are wanted"]


def _reference(data: Path, model: Path | None, settings: Settings) -> pd.DataFrame:
    """Not the target: a model's predictions are spread less than what they predict."""
    unseen = pd.concat([rows.prepared(data, "validation"), rows.prepared(data, "test")], ignore_index=True)
    with chosen(model, settings) as (folder, _):
        return models.predict(folder, schema.inputs(operations.typical(unseen)))[COMPARED]


def _domain(known: pd.DataFrame, current: pd.DataFrame, limits: Monitor) -> drift.Domain | None:
    """How well the rows as a whole can be told apart, where the project type has vectors for that."""
    if current.empty:
        return None
    sides = [descriptors.vectors(side) for side in (known, current)]
    if sides[0] is None or sides[1] is None:
        return None
    return drift.domain(sides[0], sides[1], limits.domain_auc_at_most, limits.significance)


def _sampled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(min(len(frame), LARGEST_SAMPLE), random_state=0)


def _side_by_side(columns: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """They need not be equally many: what is missing is ignored."""
    return pd.concat([columns.reset_index(drop=True), predicted.reset_index(drop=True)], axis=1)


def _window(scored: pd.DataFrame) -> dict[str, str]:
    return {"from": scored["scored_at"].min().isoformat(), "to": scored["scored_at"].max().isoformat()}
