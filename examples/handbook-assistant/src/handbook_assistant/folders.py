"""Output folders are written aside and moved into place, so that a failed step leaves nothing half-written.

On Azure ML and on Databricks the output folder is a mount, which takes a file from its start to its end only (an
archive is written out of order) and cannot be renamed. So a step writes to the local disk, whole files are copied
to the mount, and each gets its name when all are there. Files of others in the folder are left alone.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import InputError


@contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder whose entries replace those of `folder` when the block ends without an error.

    Raises:
        InputError: `folder` can't be created or written to.
    """
    created = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    except OSError as error:
        _remove_empty(created)
        raise InputError(
            f"cannot write to {folder}: {error.strerror}; choose a folder that you can write to"
        ) from error
    try:
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)
            _copy(Path(scratch), aside)
        for entry in sorted(aside.iterdir()):
            _replace(entry, folder / entry.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        _remove_empty(created)


def _copy(source: Path, target: Path) -> None:
    """Names and contents, and not the times and modes, which a mount may refuse to set."""
    for path in sorted(source.rglob("*")):
        copied = target / path.relative_to(source)
        if path.is_dir():
            copied.mkdir()
        else:
            shutil.copyfile(path, copied)


def _replace(entry: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    if not entry.is_dir():
        entry.replace(target)
        return
    target.mkdir()
    for below in sorted(entry.iterdir()):
        _replace(below, target / below.name)


def _remove_empty(folders: list[Path]) -> None:
    """Remove what was created for an output that never came; a folder with content stays."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON with a final newline; not-a-number becomes null, as JSON knows none."""
    path.write_text(json.dumps(_finite(value), indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file that an earlier step wrote.

    Raises:
        InputError: the file is absent or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: run the step that writes it first ({_reason(error)})") from error


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and value - value != 0 else value


def _reason(error: OSError | ValueError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "not valid JSON"
