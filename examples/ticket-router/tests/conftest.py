"""A project of its own for each test, and the command line as its door.

Rows are prepared and a model is trained once; tests get copies.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pandas as pd
import pytest
import sources
import yaml
from filelock import FileLock
from matplotlib.figure import Figure

from ticket_router import NAME, charts, cli

# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")
# So that a case that fails shows the values, as a test does.
pytest.register_assert_rewrite("index_cases", "registry_cases")
ROOT = Path(__file__).parents[1]
# Test processes run side by side: more threads than cores make small fits many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
PAINT = charts.save
BACKWARDS = """
_forwards = predict


def predict(model, rows):
    return _forwards(model, rows.iloc[::-1].set_axis(rows.index))


"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first: one process runs them while another makes what the others copy.

    Those of a Spark session come before all: an idle process takes the last ones, and would start a Spark of its own.
    """

    def turn(item: pytest.Item) -> tuple[bool, bool]:
        fixtures = getattr(item, "fixturenames", ())
        return "session" not in fixtures, "made" in fixtures

    items.sort(key=turn)


@dataclass(frozen=True)
class Outcome:
    """What a command left behind: exit code and what it printed."""

    code: int
    out: str
    err: str

    def refused(self, code: int, *words: str) -> None:
        """Assert one clear line on standard error that holds the words, and the exit code."""
        assert self.code == code, self
        assert self.err.startswith("error: "), self
        assert self.err.count("\n") == 1, self
        assert all(word in self.err for word in words), self


Pipeline = Callable[..., Outcome]


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pipeline:
    """Run `pipeline ARGUMENTS` in this process, as the console script does."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pipeline", *map(str, arguments)])
        capsys.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        assert isinstance(code, int)
        return Outcome(code, printed.out, printed.err)

    return run


def configure(folder: Path) -> None:
    """Copy the configuration, with a latency that only a test of the latency can break: test machines are busy."""
    for name in ("config", *sources.VERSIONED):
        shutil.copytree(ROOT / name, folder / name)
    base = folder / "config/base.yml"
    settings = yaml.safe_load(base.read_text())
    settings["gate"]["latency"] = {"at_most_ms": 60_000, "rows": 10}
    settings["gate"]["champion"] = None
    base.write_text(yaml.safe_dump(settings, sort_keys=False))


def backwards(model: Path) -> None:
    """Give a model code of its own, which predicts for the rows in reverse order."""
    code = model / "code" / NAME / "flavor.py"
    text = code.read_text()
    end = text.index('if __name__ == "__main__":')
    code.write_text(text[:end] + BACKWARDS + text[end:])


def sketch(figures: Mapping[str, Figure], folder: Path) -> None:
    """Paint the first figure, and leave the others empty to save time; in `made` all are painted."""
    first, *others = figures
    PAINT({first: figures[first]}, folder)
    for name in others:
        (folder / f"{name}.png").touch()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with this project's configuration and nothing else; the current folder during the test."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(charts, "save", sketch)
    configure(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sample rows, prepared rows, a model, its report, and a model that was misled.

    One for all test processes: the first to come makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder)
            (folder / "done").touch()
    return folder


def _make(folder: Path) -> None:
    configure(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for step in ("sample", "prepare", "train", "evaluate", "train --data misleading --model worse"):
            if "misleading" in step:
                shutil.copytree(folder / "outputs/data", folder / "misleading")
                sources.mislead(folder / "misleading")
            patch.setattr(sys, "argv", ["pipeline", *step.split()])
            cli.main()


@pytest.fixture
def trained(project: Path, made: Path) -> Path:
    """A project with rows and a model that nobody has evaluated yet."""
    for name in ("data", "outputs/data", "outputs/model"):
        shutil.copytree(made / name, project / name)
    shutil.copy(made / "mlflow.db", project / "mlflow.db")
    return project


@pytest.fixture
def evaluated(trained: Path, made: Path) -> Path:
    """A project with a model that passed the gate and is not registered."""
    shutil.copytree(made / "outputs/report", trained / "outputs/report")
    return trained


@pytest.fixture
def worse(trained: Path, made: Path) -> Path:
    """The folder of a model that was misled while it learned."""
    shutil.copytree(made / "worse", trained / "worse")
    return trained / "worse"


@pytest.fixture
def raw(made: Path) -> pd.DataFrame:
    """The sample rows."""
    return sources.raw(made)
