"""The command line as a process of its own: help, exit codes, and nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Pipeline

from handbook_assistant import cli

PACKAGE = "handbook_assistant"
STEPS = ["prepare", "train", "evaluate", "register", "score", "monitor", "run", "sample"]


def start(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the package as a program."""
    command = [sys.executable, "-m", PACKAGE, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_help_lists_every_step(tmp_path: Path) -> None:
    """Somebody who knows nothing sees the steps."""
    done = start("--help", folder=tmp_path)
    assert done.returncode == 0
    assert all(f" {step} " in done.stdout for step in STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_explains_itself(step: str, pipeline: Pipeline) -> None:
    """--help works for each step and names its folders."""
    done = pipeline(step, "--help")
    assert done.code == 0
    assert "--" in done.out


@pytest.mark.usefixtures("project")
def test_a_good_end_is_no_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry point returns after success: where a program calls it, an exit of any kind would count as a failure."""
    monkeypatch.setattr(sys, "argv", ["pipeline", "sample"])
    cli.main()


def test_bad_input_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    """The process ends with 2 and one line on standard error."""
    done = start("train", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot read config/base.yml")
    assert done.stderr.count("\n") == 1


def test_a_misspelt_option_is_usage(pipeline: Pipeline) -> None:
    """An unknown option ends with 2 and is named."""
    done = pipeline("train", "--modle", "x")
    assert done.code == 2
    assert "--modle" in done.err


def test_an_unreachable_tracking_server_is_told(
    trained: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tracking server that cannot be used is one line, and no model is written."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://server")
    pipeline("train", "--model", "new").refused(2, "tracking server")
    assert not (trained / "new").exists()


def test_a_bug_keeps_its_traceback(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no problem of the user is not dressed up as one."""

    def fail(_: Path) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", lambda: fail(Path()))
    with pytest.raises(ZeroDivisionError):
        pipeline("train")


def test_help_needs_no_heavy_import(tmp_path: Path) -> None:
    """The door opens without MLflow, pandas and scikit-learn."""
    code = f"import sys, {PACKAGE}.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not {"mlflow", "pandas", "sklearn"} & set(done.stdout.split())
