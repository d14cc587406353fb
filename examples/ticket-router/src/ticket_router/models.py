"""A model is a folder in MLflow's format; this module identifies one and predicts with one.

A champion brings the code that it was trained with (`code/` in its folder). Loading it next to a newer
version of this package would give it the newer features, and a comparison of something that never ran.
So a model whose code differs from ours predicts in a process of its own.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import yaml

from . import NAME, flavor
from .errors import InputError

# From n rows of model inputs to n rows: `prediction` and what else the flavor gives.
Predict: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame]
# Written by MLflow into what it downloads; not a part of what was saved.
ADDED_BY_DOWNLOAD = "registered_model_meta"


def digest(folder: Path) -> str:
    """A SHA-256 over the names and contents of a folder's files: the same wherever the folder is copied to.

    Raises:
        InputError: the folder holds no MLflow model.
    """
    if not (folder / "MLmodel").is_file():
        raise InputError(f"no model in {folder}: run `pipeline train` first, or give --model the folder of one")
    return _digest(folder)


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        if path.name != ADDED_BY_DOWNLOAD:
            total.update(f"{path.relative_to(folder).as_posix()}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def cost(folder: Path) -> int:
    """How much the kind of a model costs to serve, among the kinds that its project offers: 0 for the simplest."""
    description = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    return int((description.get("metadata") or {}).get("cost", 0))


def made(folder: Path) -> datetime:
    """When a model was saved.

    Raises:
        InputError: the folder holds no MLflow model.
    """
    digest(folder)
    description = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    return datetime.fromisoformat(str(description["utc_time_created"])).replace(tzinfo=UTC)


def load(folder: Path) -> flavor.Model:
    """Load a model that was trained with this version of the code.

    Raises:
        InputError: there is no model in the folder, or it can't be read.
    """
    digest(folder)
    try:
        return flavor.load(folder)
    except Exception as error:  # each library behind the flavor fails in its own way on a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"the model in {folder} cannot be loaded ({reason}): train it again") from error


def opened(folder: Path) -> Predict:
    """A model, loaded once, that predicts with the code that it was trained with.

    Raises:
        InputError: the model can't be loaded; when called: it can't predict on the rows.
    """
    own_code = folder / "code" / NAME
    if not own_code.is_dir() or _digest(own_code) == _digest(Path(__file__).parent):
        return partial(flavor.predict, load(folder))
    digest(folder)
    return partial(_predict_apart, folder.resolve())


def predict(folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Open a model and predict once."""
    return opened(folder)(rows)


def _predict_apart(folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as scratch:
        inputs, outputs = Path(scratch, "inputs.parquet"), Path(scratch, "outputs.parquet")
        rows.to_parquet(inputs)
        command = [sys.executable, "-m", f"{NAME}.flavor", str(folder), str(inputs), str(outputs)]
        # First on the path: the model's own copy of this package hides ours.
        environment = {**os.environ, "PYTHONPATH": str(folder / "code")}
        done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"the model in {folder} cannot predict on these rows ({reason})")
        return pd.read_parquet(outputs)
