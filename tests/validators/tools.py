"""The tools that nox installs: files that it names in environment variables, and commands beside the interpreter."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest


def tool(variable: str, how: str) -> str:
    """The path of a file that nox gives; a missing one is a failure, never a skip."""
    path = os.environ.get(variable, "")
    if not Path(path).is_file():
        pytest.fail(f"{variable} is no file ({path or 'unset'}): {how}")
    return path


def command(name: str) -> str:
    """The path of a command, from this environment first; a missing one fails the test, it never skips it."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.fail(f"{name} is missing: run the tests through `uvx nox -s validate`, which installs it")
    return found
