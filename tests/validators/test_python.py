"""Each different rendered file passes the linters and formatters unchanged, with the settings of its own project.

A render that its own formatter would change makes the first commit differ from the template, and every later update conflict.
mypy needs the project's libraries, so it runs in tests/test_lifecycle.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import Matrix

# Style that a reader trips over; length is left to judgement, and `on:` is no boolean to GitHub.
YAMLLINT = """
extends: default
rules:
  braces: {max-spaces-inside: 1}
  comments: {min-spaces-from-content: 1}
  comments-indentation: disable
  document-start: disable
  indentation: {spaces: consistent, indent-sequences: consistent}
  line-length: disable
  truthy: {check-keys: false}
"""


def run(tool: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a Python tool of this environment; a missing one fails the test by its own message."""
    return subprocess.run([sys.executable, "-m", tool, *arguments], capture_output=True, text=True)


def lint(paths: Sequence[Path]) -> str:
    """What ruff says against the files, by the settings that lie above each of them."""
    assert paths, "nothing to check"
    return run("ruff", "check", "--no-cache", "--quiet", *paths).stdout


def unformatted(paths: Sequence[Path]) -> str:
    """What the formatter would change."""
    assert paths, "nothing to check"
    return run("ruff", "format", "--no-cache", "--quiet", "--diff", *paths).stdout


def lint_yaml(paths: Sequence[Path]) -> str:
    """What yamllint says against the files."""
    assert paths, "nothing to check"
    return run("yamllint", "--strict", "--format", "parsable", "--config-data", YAMLLINT, *paths).stdout


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object whose keys differ. Raises ValueError otherwise, where the parser alone would keep the last value."""
    if len(pairs) != len(dict(pairs)):
        raise ValueError(f"a key is given twice among {[key for key, _ in pairs]}")
    return dict(pairs)


def untidy_json(text: str) -> list[str]:
    """Lines of JSON that an editor would touch: stray blanks, tabs, an indentation that is not of two blanks a level."""
    json.loads(text, object_pairs_hook=once)
    lines = [line for line in text.splitlines() if re.search(r"\s+$|\t|^(  )* \S", line)]
    return lines + ([] if text.endswith("}\n") else ["the end of the file"])


def untidy_toml(text: str) -> list[str]:
    """Lines of TOML that a formatter would touch: trailing blanks, tabs, no blank around `=`, two empty lines in a row."""
    tomllib.loads(text)
    lines = [line for line in text.splitlines() if re.search(r"\s+$|\t|^[\w.-]+(=|\s{2,}=|\s=\S)", line)]
    return lines + (["two empty lines"] if "\n\n\n" in text else [])


def python_files(matrix: Matrix) -> list[Path]:
    """Each different rendered Python file once, where its project's settings apply."""
    return [file.path for file in matrix.unique("**/*.py")]


def test_python_passes_its_linter(matrix: Matrix) -> None:
    """ruff finds nothing in any rendered file."""
    assert not lint(python_files(matrix))


def test_python_is_formatted(matrix: Matrix) -> None:
    """The formatter changes no rendered file."""
    assert not unformatted(python_files(matrix))


def test_yaml_is_tidy(matrix: Matrix) -> None:
    """yamllint finds nothing: no key twice, one indentation, no stray blanks."""
    assert not lint_yaml([file.path for file in matrix.unique("**/*.yml", "**/*.yaml")])


def test_json_is_tidy(matrix: Matrix) -> None:
    """JSON gives each key once and has no stray blanks."""
    files = matrix.unique("**/*.json")
    assert not {file.relative: lines for file in files if (lines := untidy_json(file.content))}


def test_toml_is_tidy(matrix: Matrix) -> None:
    """TOML has no stray blanks."""
    files = matrix.unique("**/*.toml")
    assert not {file.relative: lines for file in files if (lines := untidy_toml(file.content))}


@pytest.fixture
def settings(matrix: Matrix, tmp_path: Path) -> Path:
    """A folder with the settings of a rendered project and nothing else."""
    pyproject = matrix.unique("pyproject.toml")[0].content
    (tmp_path / "pyproject.toml").write_text(pyproject, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("import os\n", "F401"),
        ("import json\nimport ast\n\nprint(json, ast)\n", "I001"),
        ("def f(x: list = []) -> list:\n    return x\n", "B006"),
        ("assert True\n", "S101"),
    ],
)
def test_a_mistake_in_python_is_found(settings: Path, text: str, rule: str) -> None:
    """The projects' own rules see unused names, unsorted imports, shared defaults and asserts outside tests."""
    (settings / "broken.py").write_text(text, "utf-8")
    assert rule in lint([settings / "broken.py"])


def test_unformatted_python_is_found(settings: Path) -> None:
    """A file that the formatter would change is reported."""
    (settings / "broken.py").write_text("x = {  'a':1 }\n", "utf-8")
    assert unformatted([settings / "broken.py"])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: 1\na: 2\n", "key-duplicates"),
        ("a:\n  b: 1\n  c:\n     d: 1\n", "indentation"),
        ("a: 1  \n", "trailing-spaces"),
    ],
)
def test_untidy_yaml_is_found(tmp_path: Path, text: str, rule: str) -> None:
    """A key given twice, a crooked indentation and stray blanks are reported."""
    (tmp_path / "broken.yml").write_text(text, "utf-8")
    assert rule in lint_yaml([tmp_path / "broken.yml"])


@pytest.mark.parametrize("text", ['{"a": 1} \n', '{\n   "a": 1\n}\n', '{\n  "a": 1\n}', '{\n\t"a": 1\n}\n'])
def test_untidy_json_is_found(text: str) -> None:
    """Stray blanks, a crooked indentation, a tab and a missing last newline are reported."""
    assert untidy_json(text)


def test_a_json_key_given_twice_is_found() -> None:
    """The parser would keep the last of two values without a word."""
    with pytest.raises(ValueError, match="twice"):
        untidy_json('{"a": 1, "a": 2}\n')


@pytest.mark.parametrize("text", ["a=1\n", "a = 1 \n", "a = 1\n\n\nb = 2\n"])
def test_untidy_toml_is_found(text: str) -> None:
    """Stray or missing blanks are reported."""
    assert untidy_toml(text)
