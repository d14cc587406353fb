"""What jobs do with versions of the model and with decisions: deploy.py, best.py and decide.py of databricks/."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from databricks_stub import Databricks
from databricks_workspace import MODEL, SCHEMA, Workspace

from handbook_assistant.errors import GateError, InputError
from handbook_assistant.registry import DEFAULTS

FOLDER = Path(__file__).parents[1] / "databricks"
ENDPOINT = "fares-dev"
pytestmark = pytest.mark.platform


def _load(name: str) -> ModuleType:
    """A file of databricks/, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


deploy: Any = _load("deploy")
best: Any = _load("best")


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace with a registered model that has no version yet."""
    databricks = Databricks()
    databricks.catalog.schemas.add(SCHEMA)
    databricks.catalog.models[MODEL] = {"name": MODEL, "aliases": []}
    databricks.catalog.versions[MODEL] = {}
    with databricks.running() as environment:
        for name, value in {**DEFAULTS, **environment}.items():
            monkeypatch.setenv(name, value)
        yield Workspace(databricks)


def version(workspace: Workspace, folder: Path, **tags: str) -> str:
    """Register a version whose gate passed, with its report in a folder; its number. Tags replace those it gets."""
    versions = workspace.databricks.catalog.versions[MODEL]
    number = str(len(versions) + 1)
    run = folder / f"run-{number}"
    (run / "report").mkdir(parents=True)
    (run / "data").mkdir()
    (run / "data/train.parquet").write_text(f"rows of {number}")
    decision = {"passed": True, "reasons": [], "model": {"digest": f"d{number}"}}
    (run / "report/gate.json").write_text(json.dumps(decision))
    usual = {"gate": "passed", "digest": f"d{number}", "compared_with": "first model", "report": str(run / "report")}
    listed = [{"key": key, "value": value} for key, value in (usual | tags).items() if value]
    versions[number] = {"name": MODEL, "version": number, "status": "READY", "tags": listed}
    return number


def call(command: str, *options: str) -> None:
    """Run a command of deploy.py for the model."""
    deploy.app([command, "--model", MODEL, *options], standalone_mode=False)


def champion(workspace: Workspace) -> list[str]:
    """The versions with the alias champion: one or none."""
    aliases = workspace.databricks.catalog.models[MODEL]["aliases"]
    return [entry["version"] for entry in aliases if entry["alias"] == "champion"]


# --- the deployment job --------------------------------------------------------------------------------------------


def test_link_names_the_deployment_job(workspace: Workspace) -> None:
    """Where approval is required new versions start the job, told once; where it is not, no job is named any more."""
    model = workspace.databricks.catalog.models[MODEL]
    for _ in range(2):
        call("link", "--job", "14", "--approval", "required")
    assert model["deployment_job_id"] == "14"
    assert len(workspace.databricks.calls("PATCH", "registered-models/update")) == 1
    call("link", "--job", "14", "--approval", "none")
    assert model["deployment_job_id"] == ""


def test_passed_version_goes_on(workspace: Workspace, tmp_path: Path) -> None:
    """A version that passed its gate is evaluated well, and becomes the champion when it is promoted."""
    number = version(workspace, tmp_path)
    call("evaluation", "--version", number)
    assert champion(workspace) == []
    call("promote", "--version", number)
    assert champion(workspace) == [number]


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"gate": ""}, "has no passed gate"),
        ({"gate": "refused"}, "has no passed gate"),
        ({"digest": "another"}, "is about another model"),
    ],
)
@pytest.mark.parametrize("command", ["evaluation", "promote"])
def test_version_past_the_gate_is_refused(
    workspace: Workspace, tmp_path: Path, command: str, tags: dict[str, str], words: str
) -> None:
    """A version that somebody registered by hand, or whose report is about another model, is never the champion."""
    number = version(workspace, tmp_path, **tags)
    with pytest.raises(GateError, match=words):
        call(command, "--version", number)
    assert champion(workspace) == []


def test_refused_report_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    """The report is believed, and not the tag alone."""
    number = version(workspace, tmp_path)
    report = tmp_path / f"run-{number}/report/gate.json"
    report.write_text(report.read_text().replace("true", "false"))
    with pytest.raises(GateError, match="another model"):
        call("evaluation", "--version", number)


def test_comparison_with_an_older_champion_is_void(workspace: Workspace, tmp_path: Path) -> None:
    """When another version became the champion since the comparison, promoting is refused; against it, it is not."""
    first, late = version(workspace, tmp_path), version(workspace, tmp_path)
    call("promote", "--version", first)
    with pytest.raises(GateError, match="compared before version 1 served"):
        call("promote", "--version", late)
    assert champion(workspace) == [first]
    better = version(workspace, tmp_path, compared_with="d1")
    call("promote", "--version", better)
    assert champion(workspace) == [better]


def test_promoting_twice_is_harmless(workspace: Workspace, tmp_path: Path) -> None:
    """A job that is repaired after it had promoted promotes again."""
    number = version(workspace, tmp_path)
    for _ in range(2):
        call("promote", "--version", number)
    assert champion(workspace) == [number]


@pytest.mark.parametrize("answer", ["approved", "Approved"])
def test_approved_version_goes_on(workspace: Workspace, tmp_path: Path, answer: str) -> None:
    """A version passes when the tag with the task's name says approved."""
    call("approval", "--version", version(workspace, tmp_path, Approval_Check=answer), "--tag", "Approval_Check")


@pytest.mark.parametrize(("tags", "words"), [({}, "has no tag"), ({"Approval_Check": "Rejected"}, "is 'Rejected'")])
def test_version_waits_for_its_approval(workspace: Workspace, tmp_path: Path, tags: dict[str, str], words: str) -> None:
    """Without an approval, or with another answer, the job stops there, and its message says what to do."""
    number = version(workspace, tmp_path, **tags)
    with pytest.raises(GateError, match=f"{words}.*approve it on its page"):
        call("approval", "--version", number, "--tag", "Approval_Check")


@pytest.mark.parametrize("number", ["", "9"])
def test_absent_version_is_one_line(workspace: Workspace, number: str) -> None:
    """A job that is started without a version, or with one that is not there, says so."""
    with pytest.raises(InputError):
        call("evaluation", "--version", number)


def test_exit_codes(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal ends with 1, wrong input with 2, and success without SystemExit, which would fail the task."""
    number = version(workspace, tmp_path)
    for command, code in (("evaluation --version 9", 2), (f"approval --version {number} --tag t", 1)):
        monkeypatch.setattr(sys, "argv", ["deploy.py", *command.split(), "--model", MODEL])
        with pytest.raises(SystemExit) as stop:
            deploy.main()
        assert stop.value.code == code
    monkeypatch.setattr(sys, "argv", ["deploy.py", "evaluation", "--version", number, "--model", MODEL])
    deploy.main()


# --- the endpoint --------------------------------------------------------------------------------------------------


def serve(number: str, size: str = "Small") -> None:
    """Promote a version with an endpoint."""
    call("promote", "--version", number, "--serving", size, "--endpoint", ENDPOINT)


def served(workspace: Workspace) -> list[tuple[str, str]]:
    """The versions that the endpoint serves, with their size."""
    entities = workspace.endpoints[ENDPOINT]["served_entities"]
    assert all(entity["entity_name"] == MODEL and entity["scale_to_zero_enabled"] for entity in entities)
    return [(entity["entity_version"], entity["workload_size"]) for entity in entities]


def test_endpoint_serves_the_exact_version(workspace: Workspace, tmp_path: Path) -> None:
    """The first promotion makes the endpoint, the next changes it, and the same again leaves it alone."""
    first = version(workspace, tmp_path)
    serve(first)
    assert served(workspace) == [(first, "Small")]
    second = version(workspace, tmp_path, compared_with="d1")
    for _ in range(2):
        serve(second, "Medium")
    assert served(workspace) == [(second, "Medium")]
    assert len(workspace.databricks.calls("POST", "/serving-endpoints")) == 1
    assert len(workspace.databricks.calls("PUT", f"/serving-endpoints/{ENDPOINT}/config")) == 1


def test_endpoint_that_does_not_get_ready_leaves_the_champion(workspace: Workspace, tmp_path: Path) -> None:
    """When the endpoint cannot serve the version the job fails, and the champion stays who it was."""
    workspace.update = "UPDATE_FAILED"
    with pytest.raises(InputError, match=f"endpoint {ENDPOINT} did not get ready"):
        serve(version(workspace, tmp_path))
    assert champion(workspace) == []


def test_no_endpoint_unless_asked_for(workspace: Workspace, tmp_path: Path) -> None:
    """Serving costs money: without a size there is no endpoint, and the service is not even asked."""
    call("promote", "--version", version(workspace, tmp_path), "--endpoint", ENDPOINT)
    assert not [request for request in workspace.databricks.requests if "serving" in request.path]


# --- what monitoring compares with ---------------------------------------------------------------------------------


def test_reference_is_the_champions_rows(workspace: Workspace, tmp_path: Path) -> None:
    """Monitoring gets the prepared rows of the champion's own training, not those of the newest."""
    first = version(workspace, tmp_path)
    version(workspace, tmp_path)
    call("promote", "--version", first)
    call("reference", "--data", str(tmp_path / "now/data"))
    assert (tmp_path / "now/data/train.parquet").read_text() == "rows of 1"


def test_reference_without_champion_is_one_line(workspace: Workspace, tmp_path: Path) -> None:
    """Before there is a champion there is nothing to compare with."""
    with pytest.raises(InputError, match="no champion yet"):
        call("reference", "--data", str(tmp_path / "data"))


# --- the best trial of a sweep -------------------------------------------------------------------------------------


@pytest.fixture
def trials(tmp_path: Path, made: Path) -> Any:
    """Log trials of a sweep, as training does: (number, loss), and make their folders; the arguments of best.py."""
    from mlflow import MlflowClient

    store = f"sqlite:///{made / 'mlflow.db'}"
    client = MlflowClient(store)
    # The store is everybody's; the experiment is ours.
    experiment = client.create_experiment(f"sweep-{os.getpid()}-{tmp_path.name}")

    def log(*losses: tuple[str, float | None], label: str = "7") -> list[str]:
        for start, (number, loss) in enumerate(losses, 1):
            run = client.create_run(experiment, start_time=start)
            client.log_param(run.info.run_id, "tracking.label", f"{label}/{number}")
            if loss is not None:
                client.log_metric(run.info.run_id, "validation_loss", loss)
            (tmp_path / "trials" / number / "code").mkdir(parents=True, exist_ok=True)
            (tmp_path / "trials" / number / "code/MLmodel").write_text(f"trial {number}")
        name = client.get_experiment(experiment).name
        folders = ["--trials", str(tmp_path / "trials"), "--model", str(tmp_path / "model")]
        return [*folders, "--label", "7", "--experiment", name, "--tracking", store]

    return log


def test_best_trial_has_the_lowest_loss(trials: Any, tmp_path: Path) -> None:
    """The model of the trial with the lowest loss goes on; trials of other sweeps, and those without loss, do not."""
    trials(("2", 0.01), label="77")
    best.app(trials(("0", 0.5), ("1", 0.2), ("2", 0.3), ("3", None)), standalone_mode=False)
    assert (tmp_path / "model/code/MLmodel").read_text() == "trial 1"


def test_repaired_trial_counts_as_it_ended(trials: Any, tmp_path: Path) -> None:
    """Of a trial that ran twice the second run counts: it wrote the model that is there."""
    best.app(trials(("0", 0.1), ("1", 0.2), ("0", 0.3)), standalone_mode=False)
    assert (tmp_path / "model/code/MLmodel").read_text() == "trial 1"


def test_no_measured_trial_is_one_line(trials: Any) -> None:
    """When no trial has a loss, nothing is the best."""
    with pytest.raises(InputError, match="no trial"):
        best.app(trials(("0", None)), standalone_mode=False)


# --- the decision to train again -----------------------------------------------------------------------------------


def decide(tmp_path: Path, retrain: bool, *notes: str) -> dict[str, str]:
    """Run the notebook on a monitor's decision and deliveries of rows, oldest first; the task values that it sets."""
    (tmp_path / "retrain.json").write_text(json.dumps({"retrain": retrain, "reasons": ["some"]}))
    raw = tmp_path / "raw"
    for moment, name in enumerate(notes):
        (raw / name).mkdir(parents=True)
        (raw / f"{name}.json").touch()
        os.utime(raw / f"{name}.json", (moment, moment))
    values: dict[str, str] = {}
    widgets = SimpleNamespace(get={"report": str(tmp_path), "raw": str(raw)}.__getitem__)
    jobs = SimpleNamespace(taskValues=SimpleNamespace(set=values.__setitem__))
    notebook = compile((FOLDER / "decide.py").read_text(), "decide.py", "exec")
    exec(notebook, {"dbutils": SimpleNamespace(widgets=widgets, jobs=jobs)})  # noqa: S102 - as a notebook is run
    return values


def test_drift_trains_with_the_latest_rows(tmp_path: Path) -> None:
    """When the monitor asks for it, the job is told to train, with the rows that were sent last."""
    assert decide(tmp_path, True, "b", "a") == {"retrain": "true", "source": str(tmp_path / "raw/a")}


def test_no_drift_trains_nothing(tmp_path: Path) -> None:
    """When the monitor is content the job ends there."""
    assert decide(tmp_path, False, "a")["retrain"] == "false"


def test_without_rows_nothing_is_trained(tmp_path: Path) -> None:
    """Rows that broke off on their way have no note and do not count: then there is nothing to train with."""
    (tmp_path / "raw/broken").mkdir(parents=True)
    assert decide(tmp_path, True) == {"retrain": "false", "source": ""}


def test_decide_is_a_notebook() -> None:
    """Databricks takes a file for a notebook by its first line."""
    assert (FOLDER / "decide.py").read_text().startswith("# Databricks notebook source\n")
