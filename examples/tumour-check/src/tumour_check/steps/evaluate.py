"""Measure a model on the frozen test rows, compare it with the champion, and decide at the gate.

The report is written whether the model passes or not; the exit code tells the two apart.
"""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .. import NAME, card, charts, diagnostics, flavor, gate, metrics, models, plots, rows, schema, serving, tracking
from ..errors import GateError, InputError
from ..folders import write_json, writing
from ..progress import say, stage
from ..settings import Gate, Latency, Settings

ROUNDS = 3


def evaluate(data: Path, model: Path, report: Path, champion: Path | None, settings: Settings) -> None:
    """Write metrics, slices, diagnostics and gate as .json, model_card.md, predictions.parquet and plots/.

    Args:
        data: folder of the prepared rows.
        model: the candidate's folder.
        report: output folder.
        champion: folder of the model to compare with; None for the registry's champion, if there is one.
        settings: of the gate.

    Raises:
        GateError: the model is refused, with all reasons.
        InputError: an input is missing or damaged.
    """
    test = rows.prepared(data, "test")
    actual, inputs = test[schema.TARGET], schema.inputs(test)
    with tracking.run("evaluate", {}, settings.tracking), stage("evaluate"), writing(report) as out:
        fitted = models.load(model)
        predicted = flavor.predict(fitted, inputs)
        diagnosis = diagnostics.diagnose(fitted, test, predicted)
        values = {**metrics.evaluate(actual, predicted), **diagnosis.metrics}
        table = slice_table(schema.slices(test), actual, predicted)
        latency = latency_ms(fitted, inputs, settings.gate.latency)
        comparison, compared = _compare(model, champion, test, metrics.row_losses(actual, predicted), settings)
        reasons = gate.decide(settings.gate, values, table, latency, comparison)
        decision = {
            "passed": not reasons,
            "reasons": reasons,
            "rows": len(test),
            "latency_ms": latency,
            "model": {"digest": models.digest(model)},
            "champion": compared,
            "comparison": asdict(comparison) if comparison else None,
        }
        figures = {**plots.figures(fitted, inputs, actual, predicted), **diagnosis.figures}
        rule = settings.gate.slices
        figures["slices"] = charts.slices(table, rule.metric, rule.at_least, rule.at_most)
        _write(out, values, {"slices": table, **diagnosis.tables}, decision, figures)
        predicted.assign(**{schema.ID: test[schema.ID], schema.TARGET: actual}).to_parquet(out / "predictions.parquet")
        tracking.log({**values, "latency_ms": latency, "gate_passed": float(not reasons)}, out, report.name)
    _conclude(reasons, comparison, report)


def slice_table(labels: pd.DataFrame, actual: pd.Series, predicted: pd.DataFrame) -> pd.DataFrame:
    """The metrics of each slice.

    Args:
        labels: a column for each way of slicing n rows, holding each row's label.
        actual: the n true values.
        predicted: the n predictions.

    Returns:
        One row a slice: `slice` ("column=label"), `rows`, and a column for each metric.
    """
    parts = [
        {"slice": f"{name}={label}", "rows": len(index), **metrics.evaluate(actual.loc[index], predicted.loc[index])}
        for name in map(str, labels)
        for label, index in labels.groupby(name, observed=True).groups.items()
    ]
    return pd.DataFrame(parts)


def latency_ms(fitted: flavor.Model, inputs: pd.DataFrame, settings: Latency) -> float:
    """95th percentile of the milliseconds that one row takes, over `settings.rows` single-row predictions.

    With one thread, as in a server that has a process a core. Tried again, three times at most, while it is above
    what is allowed: what else the machine is doing can only add to the time.
    """
    flavor.predict(fitted, inputs.head(1))  # the first call pays for what is loaded late
    best = math.inf
    with threadpool_limits(1):
        for _ in range(ROUNDS):
            best = min(best, float(np.percentile(_times(fitted, inputs, settings.rows), 95)) * 1000)
            if best <= settings.at_most_ms:
                break
    return best


def _times(fitted: flavor.Model, inputs: pd.DataFrame, count: int) -> list[float]:
    """Seconds of `count` predictions for one row each."""
    seconds = []
    for position in range(count):
        row = inputs.iloc[[position % len(inputs)]]
        start = time.perf_counter()
        flavor.predict(fitted, row)
        seconds.append(time.perf_counter() - start)
    return seconds


def _compare(
    model: Path, champion: Path | None, test: pd.DataFrame, losses: gate.Losses, settings: Settings
) -> tuple[gate.Comparison | None, dict[str, str] | None]:
    with nullcontext((champion, "")) if champion else serving.champion(settings) as found:
        if found is None:
            return _compare_committed(test, losses, settings.gate), None
        folder = found[0]
        theirs = metrics.row_losses(test[schema.TARGET], models.predict(folder, schema.inputs(test)))
        costlier = models.cost(model) > models.cost(folder)
        comparison = gate.compare(losses, theirs, settings.gate.resamples, must_win=costlier)
        return comparison, {"digest": models.digest(folder)}


def _compare_committed(test: pd.DataFrame, losses: gate.Losses, rule: Gate) -> gate.Comparison | None:
    """With losses that lie in git, on the rows that both have: where there is no registry, as for a pull request."""
    if rule.champion is None or not rule.champion.is_file():
        return None
    theirs = committed(rule.champion)
    known = test[schema.ID].isin(theirs.index).to_numpy()
    if not known.any():
        raise InputError(f"{rule.champion} knows none of the test rows: make it anew from a model that passed")
    return gate.compare(losses[known], theirs.loc[test.loc[known, schema.ID]].to_numpy(float), rule.resamples)


def committed(path: Path) -> pd.Series:
    """The loss of each row by its id, from a file with `id` and `loss` as JSON in each line.

    Raises:
        InputError: it is not such a file.
    """
    try:
        table = pd.read_json(path, lines=True, dtype={"id": str, "loss": float})
        return table.set_index("id", verify_integrity=True)["loss"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} does not hold an id and a loss in each line: make it anew") from error


def _write(
    out: Path,
    values: dict[str, float],
    tables: dict[str, pd.DataFrame],
    decision: dict[str, Any],
    figures: dict[str, Any],
) -> None:
    found = {title: _records(table) for title, table in tables.items()}
    parts = found.pop("slices")
    write_json(out / "metrics.json", values)
    write_json(out / "slices.json", parts)
    write_json(out / "diagnostics.json", found)
    write_json(out / "gate.json", decision)
    charts.save(figures, out / card.PICTURES)
    text = card.card(NAME, values, parts, found, decision, figures)
    (out / "model_card.md").write_text(text, encoding="utf-8")


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in record.items()} for record in table.to_dict("records")]


def _conclude(reasons: list[str], comparison: gate.Comparison | None, report: Path) -> None:
    if reasons:
        raise GateError(f"the gate refused this model: {'; '.join(reasons)} (report: {report})")
    against = "the first model, floors only"
    if comparison:
        against = "better than the champion" if comparison.must_win else "no worse than the champion"
    say(f"evaluate: the gate passed, {against}; report in {report}")
