"""The jobs of the bundle run here as they would there, and the runner refuses what the service would refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from bundle import read
from bundle_commands import made as made_by
from bundle_runner import BrokenJobError, Run, StandIn, TaskFailedError, Workspace
from bundle_view import Task, View
from conftest import configure

pytestmark = pytest.mark.platform

ROOT = Path(__file__).parents[1]


@pytest.fixture
def workspace(tmp_path: Path, made: Path) -> Workspace:
    """The development target of this bundle, deployed to an empty folder: no rows, no model version."""
    deployed = Workspace(View(read(ROOT), "dev"), tmp_path / "workspace", made / "mlflow.db")
    shutil.rmtree(deployed.files / "config")
    configure(deployed.files)
    return deployed


def option(words: list[str], name: str) -> str:
    """The value of an option in the words of a command line, which a notebook gets as one text."""
    lines = "\n".join(words).splitlines()
    return next(line for line in lines if line.startswith(f"--{name}=")).partition("=")[2]


def copies(workspace: Workspace, source: Path, name: str) -> StandIn:
    """A stand-in that copies a folder to where a task's option says."""

    def copy(words: list[str]) -> None:
        shutil.copytree(source, workspace.local(option(words, name)))

    return copy


def skip(_: list[str]) -> None:
    """Stand in for a task that needs a workspace."""


def report(workspace: Workspace, run: Run) -> dict[str, Any]:
    """The gate's answer in a run's folder."""
    text = (workspace.volume() / "runs" / run.id / "report/gate.json").read_text()
    return dict(json.loads(text))


def sent(workspace: Workspace, made: Path) -> str:
    """The path of the sample rows in the volume."""
    shutil.copytree(made / "data/raw", workspace.volume() / "raw/rows")
    (path,) = made_by(workspace.view, "volumes", "volume_path")
    return f"{path}/raw/rows"


def test_training_ends_with_a_champion(workspace: Workspace, made: Path) -> None:
    """From rows in the volume and no model at all, the job leaves a report that passed and a registered champion."""
    assert workspace.champion() is None
    run = workspace.run("train", {"source": sent(workspace, made)}, {"link": skip})
    assert set(run.states.values()) == {"SUCCESS"}
    assert report(workspace, run)["passed"]
    assert workspace.champion() == "1"


def test_bad_model_fails_the_job(workspace: Workspace, made: Path) -> None:
    """A model that learned from shuffled targets fails the job at evaluate, and nothing is registered."""
    stand_ins = {
        "prepare": copies(workspace, made / "outputs/data", "data"),
        "train": copies(workspace, made / "worse", "model"),
        "link": skip,
    }
    with pytest.raises(TaskFailedError, match="the gate refused this model") as caught:
        workspace.run("train", stand_ins=stand_ins)
    assert caught.value.run.states["evaluate"] == "FAILED"
    assert caught.value.run.states["register"] == "UPSTREAM_FAILED"
    assert report(workspace, caught.value.run)["reasons"]
    assert workspace.champion() is None


def test_sweep_keeps_the_best_of_its_trials(workspace: Workspace, made: Path) -> None:
    """Each trial trains with its own settings, and the one with the lower loss is evaluated; nothing is registered."""
    (key, values), *_ = (item for item in sweep().items() if len(item[1]) > 1)
    trials = [{"number": str(number), "set": f"{key}={value}"} for number, value in enumerate((values[0], values[-1]))]
    stand_ins = {"prepare": copies(workspace, made / "outputs/data", "data"), "evaluate": skip}
    run = workspace.run("sweep", {"trials": json.dumps(trials)}, stand_ins)
    assert set(run.states.values()) == {"SUCCESS"}
    losses = workspace.losses()
    assert len(losses) == 2
    best = min(losses, key=lambda label: losses[label]).rpartition("/")[2]
    folder = workspace.volume() / "runs" / run.id
    assert content(folder / "model") == content(folder / "trials" / best)
    assert content(folder / "trials/0") != content(folder / "trials/1")
    assert workspace.champion() is None


def sweep() -> dict[str, Any]:
    """The settings that this project's sweep tries, and their values."""
    return dict(yaml.safe_load((ROOT / "config/sweep.yml").read_text()))


def content(folder: Path) -> dict[str, bytes]:
    """The files below a folder with their bytes; there are some."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found
    return found


@pytest.mark.parametrize("drifted", [True, False])
def test_drift_starts_a_training(workspace: Workspace, drifted: bool) -> None:
    """When the monitor asks for it the job trains on the rows that were sent last, and otherwise not."""

    def monitor(words: list[str]) -> None:
        folder = workspace.local(option(words, "report"))
        folder.mkdir(parents=True)
        (folder / "retrain.json").write_text(json.dumps({"retrain": drifted, "reasons": ["a reason"]}))

    (workspace.volume() / "raw").mkdir(parents=True)
    (workspace.volume() / "raw/newest.json").write_text("{}")
    run = workspace.run("score", stand_ins={"score": skip, "reference": skip, "monitor": monitor})
    newest = str(workspace.volume() / "raw/newest")
    assert run.started == ([("train", {"source": newest})] if drifted else [])
    assert run.states["retrain"] == ("SUCCESS" if drifted else "EXCLUDED")


def test_success_by_exit_counts_as_failure(workspace: Workspace) -> None:
    """A wheel task that leaves by SystemExit fails, so the runner does not pass what the service would fail."""
    (job, *_) = workspace.view.jobs(resolved=True)
    wheel = {"task_key": "typer", "python_wheel_task": {"package_name": "typer", "entry_point": "typer"}}
    code, said, _ = workspace.start(Task(job, wheel), ["--version"])
    assert code == 1
    assert "SystemExit(0)" in said


def test_runner_refuses_what_it_cannot_know(workspace: Workspace) -> None:
    """An unknown job, an unknown parameter and a value that nobody set are errors, not empty texts."""
    with pytest.raises(BrokenJobError, match="there is no job fit"):
        workspace.run("fit")
    with pytest.raises(BrokenJobError, match="rows"):
        workspace.run("train", {"rows": "x"})
    with pytest.raises(BrokenJobError, match=r"drifted: no value for .*tasks\.decide\.values\.retrain"):
        workspace.run("score", stand_ins=dict.fromkeys(("score", "reference", "monitor", "decide"), skip))
