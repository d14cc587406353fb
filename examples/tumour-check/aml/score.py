"""What the workers of the scoring job run: Azure ML calls `init` once a process, then `run` for each batch of files.

A file of rows gives a file of predictions and one of rejected rows, written aside and moved: what is tried again
replaces what an earlier attempt left.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tumour_check.models import Predict

# The code travels with the job and is not installed.
CODE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CODE / "src"))

# One worker is one process: what `init` prepared is kept here.
_score: list[Callable[[Path], None]] = []


def init() -> None:
    """Read the settings and load the model."""
    from tumour_check import models, settings

    given = _arguments(sys.argv[1:])
    chunk_rows = settings.load(CODE / given.config).score.chunk_rows
    _score[:] = [partial(_score_file, models.opened(given.model), given, chunk_rows)]


def run(mini_batch: list[str]) -> list[str]:
    """Score files; an entry for each, since the service counts those that are missing as failed."""
    from tumour_check.rows import SUFFIXES

    for path in map(Path, mini_batch):
        if path.suffix in SUFFIXES:
            _score[0](path)
    return mini_batch


def _arguments(texts: list[str]) -> Namespace:
    parser = ArgumentParser()
    parser.add_argument("--version", required=True)
    for name in ("--source", "--model", "--config", "--predictions"):
        parser.add_argument(name, required=True, type=Path)
    return parser.parse_known_args(texts)[0]  # the service adds arguments of its own


def _score_file(predict: Predict, given: Namespace, chunk_rows: int, path: Path) -> None:
    from tumour_check import rows, scoring
    from tumour_check.folders import writing

    # The same name in two folders must not give the same file.
    below = path.relative_to(given.source) if path.is_relative_to(given.source) else Path(path.name)
    name = f"{'--'.join(below.parts)}.parquet"
    folders = [given.predictions / f"{kind}.parquet" for kind in ("predictions", "rejected")]
    with writing(folders[0]) as good, writing(folders[1]) as bad:
        chunks = rows.chunks(path, chunk_rows)
        predicted, rejected = scoring.write(chunks, predict, given.version, good / name, bad / name)
    print(f"{path}: {predicted} rows predicted by version {given.version}, {rejected} set aside", flush=True)
