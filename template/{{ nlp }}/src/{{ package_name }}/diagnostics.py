"""What a single accuracy does not tell: behaviour, robustness to typos, the worst mistakes, and what is served.

Some of the test rows' texts stand in the report: who may read it may read them.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import behaviour, charts, flavor, metrics, schema
from .card import Diagnosis

# Shares of the characters that are misspelt, and the one whose accuracy is a metric.
TYPO_RATES, TYPO_RATE = (0.0, 0.02, 0.05, 0.1), 0.05
# Rows that are asked again with typos; their accuracy has a standard error of about two points.
TYPO_ROWS = 300
MISTAKES, FAILURES = 15, 15
LONGEST = 120


def diagnose(model: flavor.Model, rows: pd.DataFrame, predicted: pd.DataFrame) -> Diagnosis:
    """Put a model to the tests of its kind.

    Args:
        model: the loaded model.
        rows: the n test rows with their labels.
        predicted: what the model predicts for them.

    Returns:
        metrics: behaviour_minimum, behaviour_invariance, behaviour_direction (shares of the cases that pass),
        robustness_typos (accuracy with 5 % of the characters misspelt), onnx_difference (largest difference of
        a probability from the network that was trained) and int8_loss (percentage points of accuracy that 8-bit
        weights cost, where they are served); tables and figures that explain them.
    """
    predict, export = partial(flavor.predict, model), model.export
    outcomes = behaviour.run(predict, rows)
    typos = robustness(predict, rows)
    return Diagnosis(
        metrics={
            **behaviour.rates(outcomes),
            "robustness_typos": float(typos[TYPO_RATE]),
            # What is served as it was trained has lost nothing on the way.
            "onnx_difference": float(export.get("onnx_difference", 0)),
            "int8_loss": float(export["int8_loss"]) if export.get("served") == "int8" else 0.0,
        },
        tables={
            "Behavioural tests": behaviour.summary(outcomes),
            "Behavioural tests: failures": failures(outcomes),
            "Most confident mistakes": mistakes(rows, predicted),
            "What is served": served(model),
        },
        figures={"typos": curve(typos)},
    )


def robustness(predict: behaviour.Predict, rows: pd.DataFrame) -> pd.Series:
    """The accuracy by the share of characters that are misspelt, on the same rows each time."""
    sampled = rows.sample(min(TYPO_ROWS, len(rows)), random_state=behaviour.SEED)
    texts = [_misspelt(sampled["text"], rate) for rate in TYPO_RATES]
    answers = predict(pd.DataFrame({"text": pd.concat(texts, ignore_index=True)}))["prediction"].to_numpy()
    right = answers.reshape(len(TYPO_RATES), -1) == sampled[schema.TARGET].to_numpy()
    return pd.Series(right.mean(axis=1), pd.Index(TYPO_RATES, name="misspelt"), name="accuracy")


def mistakes(rows: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """The wrong answers that the model was most confident of, one a group, worst first.

    Look at the labels, too: among these they are wrong more often than elsewhere (Northcutt, Jiang and Chuang,
    Confident Learning, 2021).
    """
    table = pd.DataFrame(
        {
            "group": rows[schema.GROUP],
            schema.ID: rows[schema.ID],
            "text": rows["text"].map(shortened),
            "actual": rows[schema.TARGET],
            "predicted": predicted["prediction"],
            "confidence": metrics.confidence(predicted),
        }
    )
    wrong = table[metrics.row_losses(rows[schema.TARGET], predicted) > 0].sort_values("confidence", ascending=False)
    return wrong.drop_duplicates("group").head(MISTAKES).drop(columns="group").reset_index(drop=True)


def failures(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Cases that failed, one of each original, short ones first, in turn from each group; the worst group first."""
    failed = outcomes[~outcomes["passed"]].sort_values("text", key=lambda texts: texts.str.len(), kind="stable")
    group = failed.groupby(["kind", "name"])["text"]
    turns = failed.assign(turn=group.cumcount(), often=group.transform("size"), text=failed["text"].map(shortened))
    worst = turns.sort_values(["turn", "often"], ascending=[True, False], kind="stable").drop_duplicates("original")
    return worst[["kind", "name", "text", "before", "after"]].head(FAILURES).reset_index(drop=True)


def served(model: flavor.Model) -> pd.DataFrame:
    """What the model folder holds, and what was measured when it was exported: `what` and `value`."""
    found = {"kind": model.scorer.kind, "classes": len(model.classes), "temperature": model.temperature}
    return pd.DataFrame(list({**found, **model.export}.items()), columns=["what", "value"])


def shortened(text: str) -> str:
    """A text on one line of at most 120 characters."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def curve(typos: pd.Series) -> Figure:
    """How the accuracy falls as typos become more."""
    figure = Figure(figsize=(5.5, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(typos.index * 100, typos, marker="o", color=charts.COLOR)
    for rate, accuracy in zip(TYPO_RATES, typos, strict=True):
        axes.annotate(f"{accuracy:.2f}", (rate * 100, accuracy), (0, 7), textcoords="offset points", ha="center")
    axes.set(xlabel="misspelt characters, %", ylabel="accuracy", ylim=(0, 1.08))
    return figure


def _misspelt(texts: pd.Series, rate: float) -> pd.Series:
    generator = np.random.default_rng(behaviour.SEED)
    # A short text gets one slip, too: it would count as misspelt and be as it was.
    return texts.map(lambda text: behaviour.misspelt(text, generator, max(int(rate > 0), round(rate * len(text)))))
