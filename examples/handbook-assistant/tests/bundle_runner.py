"""Runs a job of a bundle on this computer: no Databricks, no network.

The job is what `bundle.resolve` gives, the one that would be deployed. Its tasks run in the order of depends_on, each
Python task in a process of its own (bundle_task.py) with an empty folder as its disk, so that only what goes through
a volume reaches the next one. What is not as it is there:

- /Volumes/ and the deployed files are folders below `out`, and paths in a task's parameters are rewritten to them.
- `tracking.uri=databricks` (or `--tracking`) becomes a SQLite store, and the model's three-part name one without
  dots, which this project's registry keeps in that store. The bundle's experiments are made there, as deploying does.
- Wheels are not built: the current environment has the project installed. The turns of a for_each_task run one
  after the other. run_job_task is written down in `Run.started`, and not run.
- A task that needs Spark's tables or a workspace gets a stand-in, a function of this process.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import count
from pathlib import Path
from typing import Any

import bundle_commands
from bundle import at
from bundle_view import DYNAMIC, Job, Task, View, named

# What of the project is deployed, as far as jobs read it.
DEPLOYED = ("config", "databricks", "src")
SUCCESS, FAILED, EXCLUDED, UPSTREAM_FAILED = "SUCCESS", "FAILED", "EXCLUDED", "UPSTREAM_FAILED"
TIMEOUT = 600
NUMERIC: dict[str, Callable[[float, float], bool]] = {
    "GREATER_THAN": lambda left, right: left > right,
    "GREATER_THAN_OR_EQUAL": lambda left, right: left >= right,
    "LESS_THAN": lambda left, right: left < right,
    "LESS_THAN_OR_EQUAL": lambda left, right: left <= right,
}

# Gets the words of a task's parameters, gives its task values.
StandIn = Callable[[list[str]], Mapping[str, Any] | None]


class BrokenJobError(Exception):
    """The job could not run anywhere: a reference, a name or a value is missing."""


class TaskFailedError(Exception):
    """A task's program ended with another code than 0, and with it the job."""

    def __init__(self, run: Run, task: str, message: str) -> None:
        super().__init__(f"{task}: {message}")
        self.run = run
        self.task = task


@dataclass
class Run:
    """What a run of a job left behind, task by task."""

    id: str
    job: str
    states: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    started: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    messages: dict[str, str] = field(default_factory=dict)


class Workspace:
    """A bundle as it is deployed to a target, below a folder."""

    def __init__(self, view: View, out: Path, store: Path | None = None) -> None:
        """Deploy.

        Args:
            view: the bundle and the target.
            out: folder for volumes, files and the store, a new one.
            store: a tracking store to start from, since making one takes longer than a task; it is copied.
        """
        self.view = view
        self.out = out.resolve()
        self.files = self.out / "files"
        self.store = f"sqlite:///{self.out / 'mlflow.db'}"
        self._ids = count(1001)
        self.out.mkdir(parents=True)
        for name in DEPLOYED:
            if (view.bundle.root / name).is_dir():
                shutil.copytree(view.bundle.root / name, self.files / name)
        if store is not None:
            shutil.copy(store, self.out / "mlflow.db")
        self._make_experiments()

    def local(self, path: str) -> Path:
        """Where a path of the workspace is on this computer."""
        return Path(self._rewritten(path))

    def volume(self) -> Path:
        """The folder of the only volume."""
        (path,) = bundle_commands.made(self.view, "volumes", "volume_path")
        return self.local(path)

    def champion(self) -> str | None:
        """The version of the only registered model that has the alias champion."""
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        (name,) = map(self._rewritten, self._full_names())
        try:
            return str(MlflowClient(self.store).get_model_version_by_alias(name, "champion").version)
        except MlflowException:
            return None

    def losses(self) -> dict[str, float]:
        """The validation_loss of each training that was labelled, by its label."""
        from mlflow import MlflowClient

        client = MlflowClient(self.store)
        runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
        labelled = {run.data.params.get("tracking.label", "None"): run.data.metrics for run in runs}
        return {label: metrics["validation_loss"] for label, metrics in labelled.items() if label != "None"}

    def run(
        self, job: str, given: Mapping[str, str] | None = None, stand_ins: Mapping[str, StandIn] | None = None
    ) -> Run:
        """Run a job.

        Args:
            job: its resource key.
            given: job parameters in the place of their defaults.
            stand_ins: functions in the place of tasks, by task_key.

        Raises:
            BrokenJobError: there is no such job or parameter, or a value is missing.
            TaskFailedError: a task failed. The others ran as far as they could, as they do in the service.
        """
        found = next((each for each in self.view.jobs(resolved=True) if each.name == job), None)
        if found is None or not set(given or {}) <= set(found.parameters):
            raise BrokenJobError(f"there is no job {job} with the parameters {sorted(given or {})}")
        return _Runner(self, found, Run(str(next(self._ids)), job), dict(given or {}), stand_ins or {}).run()

    def start(self, task: Task, words: list[str]) -> tuple[int, str, dict[str, Any]]:
        """Start a Python task with an empty folder as its disk: its exit code, what it printed, its task values."""
        disk = Path(tempfile.mkdtemp(prefix=f"{task.name}-", dir=self.out))
        values = disk.with_suffix(".values")
        line = [sys.executable, str(Path(__file__).with_name("bundle_task.py")), str(values), *self._program(task)]
        line += [self._rewritten(word) for word in words]
        done = subprocess.run(
            line, cwd=disk, env=self._environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        shutil.rmtree(disk)
        found = json.loads(values.read_text(encoding="utf-8")) if values.exists() else {}
        return done.returncode, done.stdout + done.stderr, found

    def _program(self, task: Task) -> list[str]:
        wheel = task.written.get("python_wheel_task")
        if wheel is not None:
            return ["wheel", wheel["package_name"], wheel["entry_point"]]
        file = bundle_commands.task_file(self.view, task)
        kind = "notebook" if "notebook_task" in task.written else "script"
        return [kind, str(self.files / file.relative_to(self.view.bundle.root))]

    def _rewritten(self, text: str) -> str:
        deployed = str(at(self.view.resolved, ("workspace", "file_path")))
        text = text.replace(deployed, str(self.files)).replace("/Volumes/", f"{self.out}/Volumes/")
        for name in self._full_names():
            text = text.replace(name, name.replace(".", "-"))
        return re.sub(r"(\btracking(?:\.uri)?)=databricks\b", rf"\1={self.store}", text)

    def _full_names(self) -> list[str]:
        return bundle_commands.made(self.view, "registered_models", "id")

    def _environment(self) -> dict[str, str]:
        """Nothing of who runs this: no sign-in, no tracking server, no project in the path."""
        foreign = ("AZURE_", "COVERAGE_", "DATABRICKS_", "MLFLOW_", "PYTHONPATH")
        return {key: value for key, value in os.environ.items() if not key.startswith(foreign)}

    def _make_experiments(self) -> None:
        from mlflow import MlflowClient

        client = MlflowClient(self.store)
        for experiment in (at(self.view.resolved, ("resources", "experiments")) or {}).values():
            client.create_experiment(experiment["name"], (self.out / "artifacts").as_uri())


@dataclass
class _Runner:
    workspace: Workspace
    job: Job
    state: Run
    given: dict[str, str]
    stand_ins: Mapping[str, StandIn]

    def run(self) -> Run:
        tasks = {task.name: task for task in self.job.hosts()}
        try:
            order = list(TopologicalSorter({name: named(task) for name, task in tasks.items()}).static_order())
        except CycleError as error:
            raise BrokenJobError(f"these tasks wait for each other: {error.args[1]}") from error
        missing = [name for name in order if name not in tasks]
        if missing:
            raise BrokenJobError(f"the job has no task {', '.join(missing)}")
        for name in order:
            self.state.states[name] = self._due(tasks[name]) or self._do(tasks[name])
        for name, message in self.state.messages.items():
            raise TaskFailedError(self.state, name, message)
        return self.state

    def _due(self, task: Task) -> str | None:
        """The state of a task that does not run, None for one that does."""
        before = [(str(item["task_key"]), item.get("outcome")) for item in task.written.get("depends_on") or ()]
        states = [self.state.states[name] for name, _ in before]
        rule = task.written.get("run_if", "ALL_SUCCESS")
        if any(outcome is not None and self.state.outcomes.get(name) != outcome for name, outcome in before):
            return EXCLUDED
        if before and all(state == EXCLUDED for state in states):
            return EXCLUDED
        failed = [state for state in states if state in (FAILED, UPSTREAM_FAILED)]
        if rule not in ("ALL_SUCCESS", "NONE_FAILED", "ALL_DONE"):
            raise BrokenJobError(f"{task.name}: this runner does not know run_if {rule}")
        return UPSTREAM_FAILED if failed and rule != "ALL_DONE" else None

    def _do(self, task: Task) -> str:
        if "for_each_task" in task.written:
            repeated = next(inner for inner in self.job.tasks() if inner.around and inner.around.name == task.name)
            turns = bundle_commands.inputs(repeated, self._values(task))
            states = [self._once(repeated, task.name, turn) for turn in turns]
            return FAILED if FAILED in states else SUCCESS
        return self._once(task, task.name, {})

    def _once(self, task: Task, name: str, turn: dict[str, str]) -> str:
        known = self._values(task) | turn
        if "condition_task" in task.written:
            self.state.outcomes[name] = _outcome(self._filled(task, "condition_task", known))
            return SUCCESS
        if "run_job_task" in task.written:
            started = self._filled(task, "run_job_task", known)
            self.state.started.append((str(started["job_id"]).split(".")[2], started.get("job_parameters") or {}))
            return SUCCESS
        words = [self._complete(task, bundle_commands.replace(word, known)) for word in bundle_commands.arguments(task)]
        return self._program(task, name, words)

    def _program(self, task: Task, name: str, words: list[str]) -> str:
        if task.name in self.stand_ins:
            values = self.stand_ins[task.name](words) or {}
        else:
            code, said, values = self.workspace.start(task, words)
            if code:
                self.state.messages[name] = said[-4000:]
                return FAILED
        self.state.values |= {f"tasks.{name}.values.{key}": _word(value) for key, value in values.items()}
        return SUCCESS

    def _values(self, task: Task) -> dict[str, str]:
        """What {{...}} stands for before a task starts."""
        fixed = {"job.id": "1", "job.run_id": self.state.id, "job.name": str(self.job.written.get("name"))}
        fixed |= {"task.name": task.name, "workspace.id": "1234567890123456"}
        states = {f"tasks.{name}.result_state": state.lower() for name, state in self.state.states.items()}
        given = {f"job.parameters.{name}": value for name, value in (self.job.parameters | self.given).items()}
        given = {name: bundle_commands.replace(value, fixed) for name, value in given.items()}
        return fixed | states | self.state.values | given

    def _filled(self, task: Task, kind: str, known: Mapping[str, str]) -> dict[str, Any]:
        def fill(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: fill(below) for key, below in value.items()}
            return self._complete(task, bundle_commands.replace(str(value), known)) if isinstance(value, str) else value

        return {key: fill(value) for key, value in task.written[kind].items()}

    def _complete(self, task: Task, text: str) -> str:
        if DYNAMIC.search(text):
            raise BrokenJobError(f"{task.name}: no value for {text}")
        return text


def _outcome(condition: Mapping[str, Any]) -> str:
    left, right, operator = str(condition["left"]), str(condition["right"]), condition["op"]
    if operator in ("EQUAL_TO", "NOT_EQUAL"):
        return str((left == right) == (operator == "EQUAL_TO")).lower()
    return str(NUMERIC[operator](float(left), float(right))).lower()


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
