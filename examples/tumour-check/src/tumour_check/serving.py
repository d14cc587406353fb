"""Which model predicts: a folder that was named, or the champion of the registry."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import NAME, models
from .errors import InputError
from .registry import connect


@contextmanager
def chosen(folder: Path | None) -> Iterator[tuple[Path, str]]:
    """The model's folder while the block runs, and what to call it: the registry's version, or a folder's digest.

    Raises:
        InputError: there is no model in the folder, or no champion.
    """
    if folder is not None:
        yield folder, models.digest(folder)[:12]
        return
    registry = connect(NAME)
    champion = registry.champion()
    if champion is None:
        raise InputError("the registry has no champion yet: run `pipeline run` first, or give --model a folder")
    with tempfile.TemporaryDirectory() as scratch:
        yield registry.download(champion, Path(scratch)), champion.version
