"""Which model predicts: a folder that was named, or the champion of the registry."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import models
from .errors import InputError
from .registry import connect
from .settings import Settings


@contextmanager
def champion(settings: Settings) -> Iterator[tuple[Path, str] | None]:
    """The registry's champion in a folder that is gone after the block, and its version; None before there is one."""
    registry = connect(settings.model_name(), settings.tracking)
    version = registry.champion()
    if version is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield registry.download(version, Path(scratch)), version.version


@contextmanager
def chosen(folder: Path | None, settings: Settings) -> Iterator[tuple[Path, str]]:
    """The model's folder while the block runs, and what to call it: the registry's version, or a folder's digest.

    Raises:
        InputError: there is no model in the folder, or no champion.
    """
    if folder is not None:
        yield folder, models.digest(folder)[:12]
        return
    with champion(settings) as found:
        if found is None:
            raise InputError("the registry has no champion yet: run `pipeline run` first, or give --model a folder")
        yield found
