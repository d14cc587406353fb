"""The values of an environment, as infra/ gets them, and where its state lies."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

VALUE = re.compile(r"^(\w+)[ \t]*=[ \t]*(.+?)(?=^\w+[ \t]*=|\Z)", re.MULTILINE | re.DOTALL)
# A text stays as it is, whatever it holds; a comment goes.
COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|(?:#|//)[^\n]*')
LAST_COMMA = re.compile(r",\s*\]")


def file(environment: str) -> Path:
    """Where they stand."""
    return Path("infra", f"{environment}.tfvars")


def read(environment: str) -> dict[str, Any]:
    """Each value by its name; `state_account` and `state_container` say where the state is."""
    backend = _values(Path("infra", f"{environment}.tfbackend"))
    state = {"state_account": backend.get("storage_account_name"), "state_container": backend.get("container_name")}
    return _values(file(environment)) | state


def _values(path: Path) -> dict[str, Any]:
    """The texts, numbers, booleans and lists of a file, written as in JSON; other values are left out."""
    text = COMMENT.sub(lambda found: found[1] or "", path.read_text("utf-8"))
    values = {}
    for name, value in VALUE.findall(text):
        with suppress(ValueError):
            values[name] = json.loads(LAST_COMMA.sub("]", value))
    return values
