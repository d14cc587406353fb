"""What a killed training goes on from: transformers' own checkpoints, each sealed when it is whole.

A seal names the digest of each file and what the training's result depends on. A checkpoint without a seal was being
written when the process was killed; one whose seal does not fit is damaged, or belongs to another training.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import distributed
from transformers import TrainerCallback

from .parameters import Train
from .progress import say

SEAL = "seal.json"
# Where a checkpoint is written, and what is done after training, change nothing about what it holds.
NO_MATTER = {"checkpoint", "quantize"}


def fingerprint(settings: Train, examples: object, network: torch.nn.Module, world: int) -> str:
    """A SHA-256 over what the result depends on: settings, examples, first weights, code and number of processes."""
    total = hashlib.sha256(settings.model_dump_json(exclude=NO_MATTER).encode())
    total.update(repr((examples, world, torch.__version__, transformers.__version__)).encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        total.update(path.read_bytes())
    for weights in network.state_dict().values():
        total.update(weights.detach().cpu().numpy().tobytes())
    return total.hexdigest()


class Seal(TrainerCallback):  # type: ignore[misc]
    """Seals a checkpoint when all processes have written their part of it."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """What the trainer calls, in each process, after a checkpoint is written."""
        if distributed.is_initialized():
            distributed.barrier()
        if state.is_world_process_zero:
            folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
            seal = {"fingerprint": self.fingerprint, "files": _digests(folder)}
            (folder / SEAL).write_text(json.dumps(seal), encoding="utf-8")


def newest(folder: Path, fingerprint: str) -> Path | None:
    """The newest checkpoint that fits; None where there is none, and a line says why. The others are removed."""
    found = sorted(_checkpoints(folder), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    fitting = [path for path in found if _fits(path, fingerprint)]
    if found and not fitting:
        wanted = "whole and of these settings, rows and code"
        say(f"train: no checkpoint in {folder} is {wanted}: starting from the beginning")
    _remove(set(found) - set(fitting))
    return fitting[0] if fitting else None


def remove(folder: Path) -> None:
    """Remove the checkpoints, and the folder if nothing else is in it."""
    _remove(_checkpoints(folder))
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]


def _fits(checkpoint: Path, fingerprint: str) -> bool:
    try:
        seal = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
        return bool(seal == {"fingerprint": fingerprint, "files": _digests(checkpoint)})
    except (OSError, ValueError):
        return False


def _digests(checkpoint: Path) -> dict[str, str]:
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    return {path.relative_to(checkpoint).as_posix(): _digest(path) for path in files}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(checkpoints: Iterable[Path]) -> None:
    for path in checkpoints:
        shutil.rmtree(path, ignore_errors=True)
