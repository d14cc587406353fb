"""How a scikit-learn model is saved, loaded and asked, in MLflow's format.

Saved as skops, not as a pickle: loading it runs no code but that of the types named in the folder's MLmodel
file. This package's own functions are trusted by name; a type of another library is refused when saving,
until it is listed in `TRUSTED`. `python -m <package>.flavor MODEL INPUTS OUTPUTS` predicts from file to file,
for a model that must run with the code it was trained with.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import mlflow
import numpy as np
import pandas as pd
import skops.io
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.base import BaseEstimator

from . import NAME
from .errors import InputError

Model: TypeAlias = BaseEstimator

# Types outside this package that your model may hold although skops does not vouch for them, by full name.
TRUSTED = (
    # Of boosted trees. Its content is not checked against its bounds, so a forged model file could crash the process
    # that loads it: load models from your own registry only.
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
# What loading a model needs. Versions are those of the environment that trains.
REQUIREMENTS = ("mlflow", "numpy", "pandas", "pandera", "scikit-learn", "scipy", "skops")


def save(model: Model, folder: Path, example: pd.DataFrame) -> None:
    """Write the model with its signature, an input example and this package's code.

    Args:
        model: a fitted estimator.
        folder: where the model folder's files go; it exists and is empty.
        example: a few rows of inputs.

    Raises:
        InputError: the model holds a type that is not trusted.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        target = Path(scratch, "model")
        trusted = _trusted(model)
        try:
            mlflow.sklearn.save_model(
                model,
                str(target),
                signature=infer_signature(example, model.predict(example)),
                input_example=example,
                # Named, because finding them out would load the model in another process.
                pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
                code_paths=[str(Path(__file__).parent)],
                skops_trusted_types=trusted,
            )
        except MlflowException as error:
            raise InputError(f"the model cannot be saved: {error}") from error
        for entry in target.iterdir():
            entry.replace(folder / entry.name)


def load(folder: Path) -> Model:
    """Load a model with the code of this process."""
    return mlflow.sklearn.load_model(str(folder))


def predict(model: Model, rows: pd.DataFrame) -> pd.DataFrame:
    """Predict for n rows of inputs.

    Returns:
        n rows with the index of `rows`: `prediction`, and for a classifier `probability_<class>` for each class. The
        columns and their types are the same for every n, 0 too.
    """
    labels = getattr(model, "classes_", np.empty(0))
    # scikit-learn refuses to predict for no rows, of which the columns and types are known.
    predicted = pd.DataFrame({"prediction": model.predict(rows) if len(rows) else labels[:0]}, index=rows.index)
    if not hasattr(model, "predict_proba"):
        return predicted
    probabilities = model.predict_proba(rows) if len(rows) else np.empty((0, len(labels)))
    return predicted.join(pd.DataFrame(probabilities, rows.index, [f"probability_{label}" for label in labels]))


def _trusted(model: Model) -> list[str]:
    """The types in a model that need trust, all of which have it."""
    found = skops.io.get_untrusted_types(data=skops.io.dumps(model))
    strangers = [name for name in found if not name.startswith(f"{NAME}.") and name not in TRUSTED]
    if strangers:
        raise InputError(
            f"the model holds {', '.join(strangers)}: look at what that is, then add it to TRUSTED in flavor.py"
        )
    return list(found)


if __name__ == "__main__":
    model_folder, inputs, outputs = sys.argv[1:]
    predict(load(Path(model_folder)), pd.read_parquet(inputs)).to_parquet(outputs)
