"""What a killed training goes on from: written whole or not at all, and only for the same settings, rows and code.

It holds no state of a random generator: all chance in training follows from the seed, the epoch and the process.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import torch

from .folders import writing
from .parameters import Train
from .progress import say

FILE = "checkpoint.pt"
# Where and how often it is written changes nothing about the result.
NO_MATTER = {"checkpoint", "checkpoint_every"}

State = dict[str, Any]


def fingerprint(settings: Train, data: Path) -> str:
    """A SHA-256 over what the result depends on: settings, prepared rows, the code of this package and torch."""
    total = hashlib.sha256(settings.model_dump_json(exclude=NO_MATTER).encode())
    total.update(torch.__version__.encode())
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    for path in (*sources, data / "train.parquet", data / "validation.parquet"):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def write(folder: Path, fingerprint: str, state: State) -> None:
    """Replace the checkpoint in a folder.

    Raises:
        InputError: the folder can't be written to.
    """
    with writing(folder) as out:
        torch.save({"fingerprint": fingerprint, **state}, out / FILE)


def read(folder: Path, fingerprint: str) -> State | None:
    """The state in a folder; None where there is none that fits, and a line says why."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        # Only tensors and plain values: a forged file can't run code.
        state: State = torch.load(path, map_location="cpu", weights_only=True)
        known = state["fingerprint"] == fingerprint
    except Exception as error:  # torch fails in many ways on a damaged file
        say(f"train: the checkpoint in {folder} is damaged ({type(error).__name__}): starting from the beginning")
        return None
    if not known:
        say(f"train: the checkpoint in {folder} is of other settings, rows or code: starting from the beginning")
    return state if known else None


def remove(folder: Path) -> None:
    """Remove the checkpoint, what a killed process left half-written, and the folder if nothing else is in it."""
    if not folder.is_dir():
        return
    (folder / FILE).unlink(missing_ok=True)
    for leftover in folder.glob(".writing-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if not any(folder.iterdir()):
        folder.rmdir()
