"""What accuracy on clean pictures does not tell: how the model takes disturbed ones, and what its export cost.

The metrics `robustness_<name>` join those of metrics.json, so that the gate's floors in config/base.yml can name them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from . import charts, flavor, metrics, schema, transforms
from .card import Diagnosis

# n x channels x height x width, from 0 to 1, as the model takes them.
Pictures = npt.NDArray[np.float32]
Change = Callable[[Pictures, np.random.Generator], Pictures]

NOISE = 0.1  # standard deviation, where black is 0 and white is 1
SHIFT = 1 / 8  # of the width
CONTRAST = 0.5  # what is left of each pixel's distance to the mean of its picture
# So that memory does not grow with the number of test rows.
BATCH = 256


@dataclass(frozen=True)
class Perturbation:
    """A change that leaves the label as it is, in words and as a function."""

    words: str
    apply: Change


def noise(pictures: Pictures, chance: np.random.Generator) -> Pictures:
    """Gaussian noise on each pixel, as of a sensor in bad light."""
    disturbed = pictures + chance.normal(0, NOISE, pictures.shape)
    return np.clip(disturbed, 0, 1).astype(np.float32)


def shift(pictures: Pictures, _: np.random.Generator) -> Pictures:
    """Everything moved to the right, at least by a pixel; the left edge is repeated."""
    width = pictures.shape[-1]
    from_where = np.clip(np.arange(width) - max(1, round(SHIFT * width)), 0, None)
    return pictures[..., from_where]


def contrast(pictures: Pictures, _: np.random.Generator) -> Pictures:
    """Each pixel nearer to the mean of its picture, as in fog or behind a dirty lens."""
    mean: Pictures = pictures.mean(axis=(1, 2, 3), keepdims=True)
    return mean + (pictures - mean) * np.float32(CONTRAST)


def inversion(pictures: Pictures, _: np.random.Generator) -> Pictures:
    """Black for white."""
    return 1 - pictures


PERTURBATIONS = {
    "noise": Perturbation(f"Gaussian noise, standard deviation {NOISE:g} of the range", noise),
    "shift": Perturbation(f"moved to the right by {SHIFT:g} of the width", shift),
    "contrast": Perturbation(f"contrast times {CONTRAST:g}", contrast),
    "inversion": Perturbation("black for white", inversion),
}


def diagnose(model: flavor.Model, rows: pd.DataFrame, predicted: pd.DataFrame) -> Diagnosis:
    """Disturb the n test rows in several ways and see what the model makes of them.

    Args:
        model: the loaded model.
        rows: the test rows with their labels.
        predicted: what the model predicts for them as they are.

    Returns:
        The accuracy under each perturbation and what the export measured, as metrics, tables and a chart.
    """
    clean = float((predicted["prediction"] == rows[schema.TARGET]).mean())
    disturbed = robustness(model, rows, metrics.classes(predicted))
    return Diagnosis(
        metrics={**{f"robustness_{name}": value for name, value in disturbed.items()}, **_exported(model.report)},
        tables={"Robustness": _robustness_table(clean, disturbed), "What is served": _served_table(model.report)},
        figures={"robustness": charts.bars(pd.Series({"as they are": clean, **disturbed}), "accuracy")},
    )


def robustness(model: flavor.Model, rows: pd.DataFrame, labels: list[str]) -> dict[str, float]:
    """The accuracy on n rows under each perturbation, by its name. The same at each call.

    Args:
        labels: the classes in the order of the model's probabilities.
    """
    chance = {name: np.random.default_rng(0) for name in PERTURBATIONS}
    right = dict.fromkeys(PERTURBATIONS, 0)
    for start in range(0, len(rows), BATCH):
        part = rows.iloc[start : start + BATCH]
        pictures, actual = transforms.batch(part[schema.CONTENT].tolist()), part[schema.TARGET].to_numpy()
        for name, change in PERTURBATIONS.items():
            probabilities = flavor.probabilities(model, change.apply(pictures, chance[name]))
            right[name] += int((np.array(labels)[probabilities.argmax(axis=1)] == actual).sum())
    return {name: count / len(rows) for name, count in right.items()}


def _robustness_table(clean: float, disturbed: dict[str, float]) -> pd.DataFrame:
    records = [(name, PERTURBATIONS[name].words, value, value - clean) for name, value in disturbed.items()]
    return pd.DataFrame(records, columns=["perturbation", "what it does", "accuracy", "change"])


def _exported(report: Mapping[str, Any]) -> dict[str, float]:
    """What export.json says in numbers; the loss by 8-bit integers only where they are served."""
    loss = {"int8_loss": float(report["int8_loss"])} if report["served"] == "int8" else {}
    return {"onnx_difference": float(report["onnx_difference"]), "model_mebibytes": report["bytes"] / 2**20, **loss}


def _served_table(report: Mapping[str, Any]) -> pd.DataFrame:
    words = {
        "served": "numbers that it computes with",
        "bytes": "bytes of the ONNX file",
        "opset": "version of the ONNX operators",
        "onnx_difference": "largest difference of a probability from PyTorch's",
        "int8_loss": "points of accuracy that 8-bit integers would cost, or do, on the validation rows",
    }
    records = [(text, report[name]) for name, text in words.items() if name in report]
    return pd.DataFrame(records, columns=["what", "value"])
