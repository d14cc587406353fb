"""How a text classifier is saved, loaded and asked, in MLflow's format.

The folder holds a scikit-learn pipeline as skops, or a network as ONNX with its tokenizer; nothing is pickled, and
serving needs neither torch nor transformers. `python -m <package>.flavor MODEL INPUTS OUTPUTS` predicts from file to
file, for a model that must run with the code it was trained with.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

from . import NAME, classifier, tokens
from .classifier import Classifier

Model: TypeAlias = Classifier

# What loading a model needs. Versions are those of the environment that trains.
REQUIREMENTS = ("mlflow", "numpy", "onnxruntime", "pandas", "scikit-learn", "scipy", "skops", "tokenizers")
DATA = "data/classifier"


def save(model: Model, folder: Path, example: pd.DataFrame) -> None:
    """Write the model with its signature, an input example and this package's code.

    Args:
        model: a classifier.
        folder: where the model folder's files go; it exists and is empty.
        example: a few rows of inputs.

    Raises:
        InputError: the model holds a type that is not trusted.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        content, target = Path(scratch, Path(DATA).name), Path(scratch, "model")
        content.mkdir()
        model.write(content)
        mlflow.pyfunc.save_model(
            str(target),
            loader_module=f"{NAME}.flavor",
            data_path=str(content),
            code_paths=[str(Path(__file__).parent)],
            signature=infer_signature(example, predict(model, example)),
            input_example=example,
            # Named, because finding them out would load the model in another process.
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
            metadata={"cost": model.scorer.cost},
        )
        for entry in target.iterdir():
            entry.replace(folder / entry.name)


def load(folder: Path) -> Model:
    """Load a model with the code of this process."""
    return classifier.read(folder / DATA)


def predict(model: Model, inputs: pd.DataFrame) -> pd.DataFrame:
    """Predict for n rows of inputs.

    Returns:
        n rows with the index of `inputs`: `prediction`, and `probability_<class>` for each class. The columns and
        their types are the same for every n, 0 too.
    """
    probabilities = model.probabilities(tokens.texts(inputs))
    predicted = pd.DataFrame(probabilities, inputs.index, [f"probability_{label}" for label in model.classes])
    predicted.insert(0, "prediction", np.array(model.classes, dtype=object)[probabilities.argmax(axis=1)])
    return predicted


class _Served:
    """What MLflow asks: `mlflow models serve` and `mlflow.pyfunc.load_model`."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, inputs: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        return predict(self.model, inputs)


def _load_pyfunc(path: str) -> _Served:
    """MLflow's way in, with the path of `DATA`."""
    return _Served(classifier.read(Path(path)))


if __name__ == "__main__":
    model_folder, inputs, outputs = sys.argv[1:]
    predict(load(Path(model_folder)), pd.read_parquet(inputs)).to_parquet(outputs)
