"""What reaches the Databricks workspace, and what comes back: the real SDK against databricks_workspace.py."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from databricks_stub import Answer, Databricks, Request, refusal
from databricks_workspace import VOLUME, CommandLine, Started, Workspace

from diabetes_course.errors import InputError
from diabetes_course.settings import Compute

ROOT = Path(__file__).parents[1]
ROWS = f"{VOLUME}/raw/some"
COMMANDS = [["environment"], ["data"], ["train"], ["sweep"], ["score"], ["fetch", "1"]]
pytestmark = pytest.mark.platform


def _load() -> ModuleType:
    """databricks/submit.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("submit", ROOT / "databricks" / "submit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["submit"] = module
    spec.loader.exec_module(module)
    return module


submit: Any = _load()


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """Run `python databricks/submit.py ARGUMENTS` in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["submit.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        submit.main()
    return stop.value.code


# --- without a workspace -------------------------------------------------------------------------------------------


def test_grid_is_every_combination() -> None:
    """A sweep tries each value of a setting with each value of the others, written as --set reads them."""
    space = {"train.a": [1, 0.5], "train.b": ["x", "two words"], "train.c": [True, None]}
    assert submit.grid(space)[:3] == (
        "train.a=1 train.b=x train.c=true",
        "train.a=1 train.b=x train.c=null",
        "train.a=1 'train.b=two words' train.c=true",
    )
    assert len(submit.grid(space)) == 8


def test_grid_refuses_what_databricks_would_read() -> None:
    """A value that the service would take for a reference of its own is refused."""
    with pytest.raises(InputError, match="two braces"):
        submit.grid({"train.a": ["{{job.id}}"]})


def test_trials_are_numbered_alike() -> None:
    """The numbers of the trials, which name their folders, sort as they count."""
    listed = json.loads(submit.numbered(tuple(f"train.a={value}" for value in range(11))))
    assert [trial["number"] for trial in listed] == sorted(trial["number"] for trial in listed)
    assert listed[10] == {"number": "10", "set": "train.a=10"}


def test_too_many_trials_are_refused() -> None:
    """More trials than a job's parameter holds are refused before anything is sent."""
    with pytest.raises(InputError, match="300 trials are too many"):
        submit.numbered(("train.some_setting=0.5",) * 300)


@pytest.mark.parametrize("text", ["", "- a", "train.seed: 1", "train.seed: []", "a: [", "\x00"])
def test_sweep_file_must_list_values(tmp_path: Path, text: str) -> None:
    """A sweep file without a list of values for each setting is one clear line."""
    (tmp_path / "sweep.yml").write_text(text)
    with pytest.raises(InputError, match=r"sweep\.yml"):
        submit.read_space(tmp_path / "sweep.yml")


def test_version_follows_names_and_content(tmp_path: Path) -> None:
    """The same files have the same version, whatever else; another byte or another name gives another."""
    versions: list[str] = []
    for name, content in (("a.csv", "1"), ("a.csv", "1"), ("a.csv", "2"), ("b.csv", "1")):
        folder = tmp_path / str(len(versions))
        folder.mkdir()
        (folder / name).write_text(content)
        (folder / ".gitkeep").touch()
        versions.append(submit.content_version(folder))
    assert versions[0] == versions[1]
    assert len(set(versions)) == 3


# --- packages ------------------------------------------------------------------------------------------------------

PROJECT_FILE = """
[project]
optional-dependencies = {gpu = []}

[[tool.uv.index]]
url = "https://example.com/cpu"

[[tool.uv.index]]
url = "https://example.com/other"
"""
LOCK = """
[[package]]
name = "torch"
version = "2.0+cpu"
source = {registry = "https://example.com/cpu"}

[[package]]
name = "torch"
version = "2.0"
source = {registry = "https://pypi.org/simple"}

[[package]]
name = "here"
source = {editable = "."}
"""
# Stands in for uv: prints what it would have locked, and fails when it is told to.
UV = """#!/bin/sh
case "$*" in
    *--locked*--no-default-groups*--extra=gpu) echo "torch==2.0" ;;
    *--locked*--no-default-groups*--group=training) echo "torch==2.0+cpu ; sys_platform != 'darwin'" ;;
    *--locked*--no-default-groups) echo "numpy==2.4" ;;
esac
"""


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an extra gpu and an index for the CPU, and a uv that knows what it has locked."""
    (tmp_path / "pyproject.toml").write_text(PROJECT_FILE)
    (tmp_path / "uv.lock").write_text(LOCK)
    (tmp_path / "uv").write_text(UV)
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("UV", str(tmp_path / "uv"))
    monkeypatch.setattr(submit, "PROJECT", tmp_path)
    monkeypatch.setattr(submit, "TRAINING", tmp_path / "dist/requirements.txt")
    monkeypatch.setattr(submit, "SCORING", tmp_path / "dist/scoring.txt")
    return tmp_path


@pytest.mark.parametrize(
    ("accelerator", "training"),
    [
        ("cpu", "--extra-index-url https://example.com/cpu\ntorch==2.0+cpu ; sys_platform != 'darwin'\n"),
        ("gpu", "torch==2.0\n"),
    ],
)
def test_only_training_gets_the_large_packages(locked: Path, accelerator: str, training: str) -> None:
    """What trains gets the group or the extra, and the index that a version comes from; all else gets neither."""
    submit.write_packages(Compute(accelerator=accelerator))
    assert (locked / "dist/requirements.txt").read_text() == training
    assert (locked / "dist/scoring.txt").read_text() == "numpy==2.4\n"


def test_machines_that_cannot_be_had_are_refused(locked: Path) -> None:
    """Several machines, and a GPU in a project without packages for it, are told before anything is deployed."""
    with pytest.raises(InputError, match=r"compute\.nodes = 2: one machine trains"):
        submit.write_packages(Compute(nodes=2))
    (locked / "pyproject.toml").write_text("[project]")
    with pytest.raises(InputError, match="no extra gpu"):
        submit.write_packages(Compute(accelerator="gpu"))
    assert not (locked / "dist").exists()


def test_lock_that_does_not_fit_is_told(locked: Path) -> None:
    """What uv says about a lock file is in the one line."""
    (locked / "uv").write_text("#!/bin/sh\necho 'the lockfile needs to be updated' >&2\nexit 1\n")
    with pytest.raises(InputError, match="run uv lock: the lockfile needs"):
        submit.write_packages(Compute())


def test_no_rows_is_one_line(tmp_path: Path) -> None:
    """An empty folder has no version."""
    with pytest.raises(InputError, match="pipeline sample"):
        submit.content_version(tmp_path)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_missing_host_is_one_line(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a workspace each command says which variable to set, and exits with 2."""
    monkeypatch.delenv("DATABRICKS_HOST", raising=False)
    monkeypatch.setenv("DATABRICKS_AUTH_TYPE", "pat")
    assert call(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err == (
        "error: DATABRICKS_HOST not set: say which Databricks workspace to use, see docs/platform.md\n"
    )


# --- with one ------------------------------------------------------------------------------------------------------


@pytest.fixture
def command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The stand-in for the databricks command line, which knows a deployed bundle."""
    command_line = CommandLine(tmp_path / "cli")
    monkeypatch.setenv("PATH", command_line.path())
    return command_line


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: CommandLine) -> Iterator[Workspace]:
    """A workspace that the bundle was deployed to, and folders for what comes back."""
    for name in ("MODEL", "REPORT", "MONITORING"):
        monkeypatch.setattr(submit, name, tmp_path / "outputs" / name.lower())
    for name in ("TRAINING", "SCORING"):
        monkeypatch.setattr(submit, name, tmp_path / f"dist/{name.lower()}.txt")
    monkeypatch.setattr(submit, "write_packages", lambda _: None)
    monkeypatch.setattr(submit, "PAUSE", 0)
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    databricks = Databricks()
    with databricks.running() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield Workspace(databricks)


def writes(workspace: Workspace, made: Path, passed: bool = True) -> None:
    """Let a run write a model and a report, as its tasks would."""

    def write(started: Started) -> None:
        for name in ("model", "report"):
            for file, written in content(made / "outputs" / name).items():
                workspace.files[f"{started.folder}/{name}/{file}"] = written
        if not passed:
            refused = {"passed": False, "reasons": ["accuracy 0.4 is below 0.9"]}
            workspace.files[f"{started.folder}/report/gate.json"] = json.dumps(refused).encode()

    workspace.on_run = write


def content(folder: Path) -> dict[str, bytes]:
    """The files below a folder with their bytes; there are some."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found
    return found


def run(workspace: Workspace) -> Started:
    """The only run that was asked for."""
    (started,) = workspace.runs.values()
    return started


def test_training_comes_back(workspace: Workspace, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that ended well leaves the same model and report in outputs/, and nothing of an earlier one."""
    submit.MODEL.mkdir(parents=True)
    (submit.MODEL / "left-over.txt").touch()
    writes(workspace, made)
    submit.app(["train", "--source", ROWS], standalone_mode=False)

    assert (run(workspace).job, run(workspace).parameters) == ("train", {"source": ROWS})
    for folder in (submit.MODEL, submit.REPORT):
        assert content(folder) == content(made / "outputs" / folder.name)
    printed = capsys.readouterr().out
    assert f"{workspace.databricks.url}/run/100" in printed
    assert printed.count("evaluate: running") == printed.count("evaluate: success") == 1


def test_refusal_ends_with_the_gates_reasons(
    workspace: Workspace, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the gate refused, the exit code is 1, the reasons are told, and the report is there to read."""
    workspace.result = "FAILED"
    writes(workspace, made, passed=False)
    assert call(monkeypatch, "train", "--source", ROWS) == 1
    assert "error: the gate refused this model: accuracy 0.4 is below 0.9" in capsys.readouterr().err
    assert (submit.REPORT / "model_card.md").is_file()
    assert not submit.MODEL.exists()


@pytest.mark.parametrize("result", ["FAILED", "CANCELED", "TIMEDOUT", "SUCCESS"])
def test_run_without_report_is_one_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], result: str
) -> None:
    """A run that wrote no report is an error that says how it ended and where to look, and not a refusal."""
    workspace.result, workspace.failed = result, "prepare"
    assert call(monkeypatch, "train", "--source", ROWS) == 2
    error = capsys.readouterr().err
    assert f"run 100 ended as {result.lower()}" in error
    assert f"{workspace.databricks.url}/run/100" in error
    assert ("in prepare" in error) == (result == "FAILED")


def test_failure_after_the_gate_is_no_success(workspace: Workspace, made: Path) -> None:
    """A run that failed although its gate passed is an error that names the task."""
    workspace.result, workspace.failed = "FAILED", "register"
    writes(workspace, made)
    with pytest.raises(InputError, match="ended as failed in register"):
        submit.app(["train", "--source", ROWS], standalone_mode=False)
    assert not submit.MODEL.exists()


def test_lost_answer_starts_one_run(workspace: Workspace, made: Path) -> None:
    """When the answer to the start gets lost, the SDK asks again, and there is still one run."""
    writes(workspace, made)
    lost: list[Request] = []

    def lose(request: Request) -> bool:
        if "run-now" in request.path and not lost:
            lost.append(request)
            return True
        return False

    workspace.databricks.lose = lose
    submit.app(["train", "--source", ROWS], standalone_mode=False)
    assert len(workspace.databricks.calls("POST", "run-now")) == 2
    assert len(workspace.runs) == 1


def test_fetch_takes_up_an_earlier_run(workspace: Workspace, made: Path) -> None:
    """A run that went on while the connection was broken is fetched by its number."""
    earlier = Started(7, "train", {})
    workspace.runs[7] = earlier
    writes(workspace, made)
    workspace.on_run(earlier)
    submit.app(["fetch", "7"], standalone_mode=False)
    assert content(submit.REPORT) == content(made / "outputs/report")


def test_sweep_sends_the_grid(workspace: Workspace, made: Path) -> None:
    """A sweep is started with one trial a combination of config/sweep.yml."""
    writes(workspace, made)
    submit.app(["sweep", "--source", ROWS], standalone_mode=False)
    trials = submit.grid(submit.read_space(ROOT / "config/sweep.yml"))
    sent = json.loads(run(workspace).parameters["trials"])
    assert run(workspace).job == "sweep"
    assert tuple(trial["set"] for trial in sent) == trials


def test_scoring_brings_the_monitors_words(workspace: Workspace) -> None:
    """Scoring takes the rows in incoming/, and what monitoring says about them comes back."""

    def write(started: Started) -> None:
        workspace.files[f"{started.folder}/report/retrain.json"] = b"{}"
        workspace.files[f"{started.folder}/report/plots/drift.png"] = b"p"

    workspace.on_run = write
    submit.app(["score"], standalone_mode=False)
    assert (run(workspace).job, run(workspace).parameters) == ("score", {"source": f"{VOLUME}/incoming"})
    assert content(submit.MONITORING) == {"retrain.json": b"{}", "plots/drift.png": b"p"}


def test_failed_scoring_is_no_success(workspace: Workspace) -> None:
    """Scoring that failed is an error that names the task."""
    workspace.result, workspace.failed = "FAILED", "score"
    with pytest.raises(InputError, match="ended as failed in score"):
        submit.app(["score"], standalone_mode=False)


# --- rows ----------------------------------------------------------------------------------------------------------


def rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **files: str) -> str:
    """Let data/raw hold these files; where the workspace keeps them."""
    folder = tmp_path / "rows"
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(submit, "RAW", folder)
    return f"{VOLUME}/raw/{submit.content_version(folder)}"


def test_same_rows_are_sent_once(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows go to a folder named by their content, with a note beside it; sending them again sends nothing."""
    place = rows(monkeypatch, tmp_path, a="1", deep__b="2")
    submit.app(["data"], standalone_mode=False)
    assert workspace.databricks.files.below(place) == {"a": b"1", "deep/b": b"2"}
    assert json.loads(workspace.files[f"{place}.json"]) == {"files": 2, "bytes": 2}

    sent = len(workspace.databricks.calls("PUT", "/fs/files"))
    submit.app(["data"], standalone_mode=False)
    assert len(workspace.databricks.calls("PUT", "/fs/files")) == sent == 3


def test_rows_that_broke_off_do_not_count(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery that broke off has no note, so that no training takes it, and sending again completes it."""
    place = rows(monkeypatch, tmp_path, a="1", b="2")

    def refuse(request: Request) -> Answer | None:
        stop = request.method == "PUT" and request.path.endswith("/b")
        return refusal(403, "PERMISSION_DENIED", "not yours") if stop else None

    workspace.databricks.intercept = refuse
    with pytest.raises(InputError, match="not yours"):
        submit.app(["data"], standalone_mode=False)
    with pytest.raises(InputError, match="platform-data first"):
        submit.app(["train"], standalone_mode=False)

    workspace.databricks.intercept = lambda _: None
    submit.app(["data"], standalone_mode=False)
    assert workspace.databricks.files.below(place) == {"a": b"1", "b": b"2"}
    assert f"{place}.json" in workspace.files


def test_training_takes_the_rows_that_were_sent_last(
    workspace: Workspace, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --source the run reads the newest delivery, whatever its name."""
    writes(workspace, made)
    places = sorted((rows(monkeypatch, tmp_path, a=text), text) for text in "123")
    for _, text in reversed(places):
        rows(monkeypatch, tmp_path, a=text)
        submit.app(["data"], standalone_mode=False)
    submit.app(["train"], standalone_mode=False)
    assert run(workspace).parameters["source"] == places[0][0]


def test_training_without_rows_is_one_line(workspace: Workspace) -> None:
    """Before rows were sent, the user is told to send some."""
    with pytest.raises(InputError, match="platform-data first"):
        submit.app(["train"], standalone_mode=False)
    assert not workspace.runs


# --- the bundle ----------------------------------------------------------------------------------------------------


def test_environment_deploys_the_target(
    workspace: Workspace, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making the environment ready is deploying the bundle to the target of that name."""
    monkeypatch.setenv("ENVIRONMENT", "staging")
    submit.app(["environment"], standalone_mode=False)
    assert command_line.calls() == ["bundle deploy --target staging"]


def test_environment_lists_the_targets_packages(
    workspace: Workspace, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packages are those of the target's own settings, and are listed before the bundle is deployed."""
    listed: list[tuple[Compute, list[str]]] = []
    monkeypatch.setattr(submit, "write_packages", lambda asked: listed.append((asked, command_line.calls())))
    submit.app(["environment"], standalone_mode=False)
    assert listed == [(submit.settings.load(ROOT / "config/dev.yml").compute, [])]


def test_bundle_that_is_not_deployed_is_one_line(workspace: Workspace, command_line: CommandLine) -> None:
    """Before the bundle is deployed its resources have no ids, and the user is told to deploy it."""
    command_line.tell({"jobs": {"train": {"name": "train"}}, "volumes": {"files": {}}})
    with pytest.raises(InputError, match="platform-environment first"):
        submit.app(["train"], standalone_mode=False)


def test_failing_command_line_is_told(
    workspace: Workspace, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the databricks command line says when it fails is in the one line."""
    command_line.write("#!/bin/sh\necho 'no such target' >&2\nexit 1\n")
    assert call(monkeypatch, "train") == 2
    assert capsys.readouterr().err == "error: databricks bundle summary failed: no such target\n"


def test_absent_command_line_is_one_line(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the databricks command line the user is told which task gets it."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(InputError, match="platform-tools"):
        submit.app(["train"], standalone_mode=False)


def test_mistake_in_the_settings_costs_nothing(
    workspace: Workspace, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment that has no settings file is refused before anything is called."""
    monkeypatch.setenv("ENVIRONMENT", "nowhere")
    with pytest.raises(InputError, match=r"nowhere\.yml"):
        submit.app(["train"], standalone_mode=False)
    assert command_line.calls() == []
    assert not workspace.databricks.calls("POST", "/jobs/")
