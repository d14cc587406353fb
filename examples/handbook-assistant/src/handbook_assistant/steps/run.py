"""Prepare, train, evaluate and register in one process."""

from __future__ import annotations

from pathlib import Path

from .. import tracking
from ..progress import say
from ..settings import Settings
from .evaluate import evaluate
from .prepare import prepare
from .register import register
from .sample import sample
from .train import train


def run(source: Path, data: Path, model: Path, report: Path, settings: Settings, *, start_from_sample: bool) -> None:
    """Run the four steps. With `start_from_sample` a folder without rows is filled with the sample first."""
    if start_from_sample and not (source.exists() and any(source.iterdir())):
        sample(source)
    prepare(source, data, settings)
    with tracking.run("pipeline", {}, settings.tracking):
        train(data, model, settings)
        evaluate(data, model, report, None, settings)
        register(model, report, settings)
    say(f"model card: {report / 'model_card.md'} · experiments: uv run poe ui")
