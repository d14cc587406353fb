"""How a picture classifier is saved, loaded and asked, in MLflow's format.

The model is an ONNX file that ONNX Runtime executes on the CPU; neither torch nor onnx is needed, and no pickle is
read. `python -m <package>.flavor MODEL INPUTS OUTPUTS` predicts from file to file, for a model that must run with the
code it was trained with.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import mlflow
import numpy as np
import numpy.typing as npt
import onnxruntime
import pandas as pd
from mlflow.models import infer_signature

from . import NAME, schema, transforms
from .errors import InputError
from .folders import read_json

# Pictures at once: memory does not grow with the number of rows.
BATCH = 64
# The files of a classifier, and in the ONNX file the names of its input, its output and its labels.
ONNX, REPORT = "model.onnx", "export.json"
PICTURES, PROBABILITIES, CLASSES = "pictures", "probabilities", "classes"
# Where MLflow puts a folder of that name.
FOLDER = "classifier"
# What loading a model needs. Versions are those of the environment that trains.
REQUIREMENTS = ("mlflow", "numpy", "onnxruntime", "pandas", "pandera", "pillow")

Session: TypeAlias = onnxruntime.InferenceSession
Images = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Classifier:
    """A folder with model.onnx and export.json, the opened model, and the content of export.json."""

    folder: Path
    session: Session
    report: Mapping[str, Any]

    def predict(self, inputs: pd.DataFrame) -> pd.DataFrame:
        """For MLflow, which asks models so."""
        return predict(self, inputs)


Model: TypeAlias = Classifier


def opened(folder: Path) -> Model:
    """The classifier that `export.export` wrote into a folder.

    Raises:
        InputError: it knows other classes than schema.py.
    """
    opened_session = session(folder / ONNX)
    known = json.loads(opened_session.get_modelmeta().custom_metadata_map[CLASSES])
    if tuple(known) != schema.CLASSES:
        raise InputError(f"it knows the classes {', '.join(known)}, and schema.py others")
    return Classifier(folder, opened_session, read_json(folder / REPORT))


def session(path: Path) -> Session:
    """Open an ONNX file on the CPU, with the threads that OMP_NUM_THREADS allows, or one for each core."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", 0))
    # Threads that wait for work by spinning slow down the other processes of a machine that scores in parallel.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(session: Session, images: Images) -> npt.NDArray[np.float32]:
    """N x K probabilities for N x C x H x W values from 0 to 1, at once."""
    (found,) = session.run([PROBABILITIES], {PICTURES: images})
    return np.asarray(found, np.float32)


def save(model: Model, folder: Path, example: pd.DataFrame) -> None:
    """Write the model with its signature, an input example and this package's code.

    Args:
        model: an exported classifier.
        folder: where the model folder's files go; it exists and is empty.
        example: a few rows of inputs.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        target = Path(scratch, "model")
        mlflow.pyfunc.save_model(
            str(target),
            loader_module=f"{NAME}.flavor",
            data_path=str(model.folder),
            code_paths=[str(Path(__file__).parent)],
            signature=infer_signature(example, predict(model, example)),
            input_example=example,
            # Named, because finding them out would load the model in another process.
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
            metadata={"cost": model.report["cost"]},
        )
        for entry in target.iterdir():
            entry.replace(folder / entry.name)


def load(folder: Path) -> Model:
    """Load a model with the code of this process."""
    return opened(folder / "data" / FOLDER)


def _load_pyfunc(path: str) -> Model:
    """What MLflow calls for a saved model, with the path of its files."""
    return opened(Path(path))


def predict(model: Model, inputs: pd.DataFrame) -> pd.DataFrame:
    """Predict for n rows of inputs.

    Returns:
        n rows with the index of `inputs`: `prediction`, and `probability_<class>` for each class. The columns and
        their types are the same for every n, 0 too.

    Raises:
        InputError: a picture can't be decoded.
    """
    contents = inputs[schema.CONTENT].tolist()
    starts = range(0, len(contents), BATCH)
    parts = [probabilities(model, transforms.batch(contents[start : start + BATCH])) for start in starts]
    found = np.concatenate([np.empty((0, len(schema.CLASSES))), *parts])
    labels = np.array(schema.CLASSES, dtype=object)[found.argmax(axis=1)]
    predicted = pd.DataFrame({"prediction": labels}, index=inputs.index)
    return predicted.join(pd.DataFrame(found, inputs.index, [f"probability_{label}" for label in schema.CLASSES]))


def probabilities(model: Model, images: Images) -> npt.NDArray[np.float64]:
    """N x K probabilities, each row adding up to one, for N x C x H x W values from 0 to 1 as of `transforms.batch`."""
    parts = [run(model.session, images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    found = np.concatenate([np.empty((0, len(schema.CLASSES))), *parts])
    return np.asarray(found / found.sum(axis=1, keepdims=True), np.float64)


if __name__ == "__main__":
    model_folder, inputs_file, outputs_file = sys.argv[1:]
    predict(load(Path(model_folder)), pd.read_parquet(inputs_file)).to_parquet(outputs_file)
