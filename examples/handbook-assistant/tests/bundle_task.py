"""Starts one task in a process of its own, as the service does; bundle_runner.py calls it.

python bundle_task.py VALUES wheel DISTRIBUTION ENTRY_POINT WORD...
python bundle_task.py VALUES script FILE WORD...
python bundle_task.py VALUES notebook FILE NAME=VALUE...

A wheel's function is called in a running Python, so leaving it by SystemExit is a failure, whatever the code. Scripts
and notebooks have no __file__. Only a notebook has `dbutils`, here its widgets, its sign-in and task values; the values
that it sets go to the file VALUES as JSON. Lines of magic, such as %pip, are comments here.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def main() -> None:
    """Read the command line and start the task."""
    del sys.path[0]  # the tests' folder: a task sees what is installed, and nothing else
    _, values, kind, name, *words = sys.argv
    if kind == "wheel":
        _wheel(name, *words)
    elif kind == "script":
        sys.argv = [name, *words]
        _execute(name)
    else:
        _notebook(Path(values), name, dict(word.split("=", 1) for word in words))


def _wheel(name: str, entry_point: str, *words: str) -> None:
    sys.argv = [entry_point, *words]
    (found,) = distribution(name).entry_points.select(group="console_scripts", name=entry_point)
    try:
        found.load()()
    except SystemExit as stop:
        raise RuntimeError(f"the entry point ended in SystemExit({stop.code!r}), which fails a wheel task") from None


def _notebook(values: Path, file: str, parameters: dict[str, str]) -> None:
    found: dict[str, Any] = {}
    widgets = SimpleNamespace(get=parameters.__getitem__)
    jobs = SimpleNamespace(taskValues=SimpleNamespace(set=found.__setitem__))
    _execute(file, dbutils=SimpleNamespace(widgets=widgets, jobs=jobs, notebook=_signed_in()))
    values.write_text(json.dumps(found), encoding="utf-8")


def _signed_in() -> SimpleNamespace:
    """What leads to a notebook's address and token, through the same objects as there."""
    context = SimpleNamespace(
        apiUrl=lambda: SimpleNamespace(get=lambda: "https://adb-1234567890123456.7.azuredatabricks.net"),
        apiToken=lambda: SimpleNamespace(get=lambda: "of the notebook"),
    )
    inner = SimpleNamespace(notebook=lambda: SimpleNamespace(getContext=lambda: context))
    return SimpleNamespace(entry_point=SimpleNamespace(getDbutils=lambda: inner))


def _execute(file: str, **offered: Any) -> None:
    source = Path(file).read_text(encoding="utf-8")
    exec(compile(source, file, "exec"), {"__name__": "__main__", **offered})  # noqa: S102 - the bundle's own file


if __name__ == "__main__":
    main()
