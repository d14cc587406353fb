"""Paths in the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo


def _in_project(path: Path, info: ValidationInfo) -> Path:
    root: Path = (info.context or {}).get("root", Path())
    return root / path


# A file that is versioned with the code: found from the configuration's folder, wherever a job runs.
Versioned = Annotated[Path, AfterValidator(_in_project)]
