"""What the workers of the scoring job run: Azure ML calls `init` once a process, then `run` for each batch of files.

A table gives a file of predictions and one of rejected rows. Files that are one row each, such as pictures, give one
of each for all of them in a batch, named after the first by its path. Both are written aside and moved. A batch that
is tried again holds the same files, and no other batch holds one of them, so what is tried again replaces what an
earlier attempt left, and nothing else.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from tumour_check.models import Predict

# The code travels with the job and is not installed.
CODE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CODE / "src"))

# One worker is one process: what `init` prepared is kept here.
_score: list[Callable[[list[Path]], None]] = []


def init() -> None:
    """Read the settings and load the model."""
    from tumour_check import models, settings

    given = _arguments(sys.argv[1:])
    chunk_rows = settings.load(CODE / given.config).score.chunk_rows
    _score[:] = [partial(_score_files, models.opened(given.model), given, chunk_rows)]


def run(mini_batch: list[str]) -> list[str]:
    """Score files; an entry for each, since the service counts those that are missing as failed."""
    _score[0](sorted(map(Path, mini_batch)))
    return mini_batch


def _arguments(texts: list[str]) -> Namespace:
    parser = ArgumentParser()
    parser.add_argument("--version", required=True)
    for name in ("--source", "--model", "--config", "--predictions"):
        parser.add_argument(name, required=True, type=Path)
    return parser.parse_known_args(texts)[0]  # the service adds arguments of its own


def _score_files(predict: Predict, given: Namespace, chunk_rows: int, paths: list[Path]) -> None:
    """Score each table alone, and the files of one row each together. Other files are no rows."""
    from tumour_check import rows

    for path in [path for path in paths if path.suffix in rows.TABLES]:
        _write(predict, given, rows.chunks(path, chunk_rows), path)
    single = [path for path in paths if rows.is_row(_below(given.source, path).as_posix())]
    if single:
        # Fails for a file elsewhere than below the source: its id would be another than that of `pipeline score`.
        _write(predict, given, rows.files_as_rows(single, given.source, chunk_rows), single[0])


def _write(predict: Predict, given: Namespace, chunks: Iterable[pd.DataFrame], first: Path) -> None:
    """Score rows into two files that are named after the file that they begin with."""
    from tumour_check import scoring
    from tumour_check.folders import writing

    name = _name(_below(given.source, first))
    folders = [given.predictions / f"{kind}.parquet" for kind in ("predictions", "rejected")]
    with writing(folders[0]) as good, writing(folders[1]) as bad:
        predicted, rejected = scoring.write(chunks, predict, given.version, good / name, bad / name)
    print(f"{name}: {predicted} rows predicted by version {given.version}, {rejected} set aside", flush=True)


def _name(path: Path) -> str:
    """A file's name that tells a path in words, and by its digest from a/b.csv and a--b.csv, which read the same."""
    digest = sha256(path.as_posix().encode()).hexdigest()[:8]
    return f"{'--'.join(path.parts)}.{digest}.parquet"


def _below(source: Path, path: Path) -> Path:
    return path.relative_to(source) if path.is_relative_to(source) else Path(path.name)
