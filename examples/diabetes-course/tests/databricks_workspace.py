"""What a workspace answers beyond its registry: jobs, volumes, serving endpoints.

On top of databricks_stub.py. A run does at once what `on_run` says and then shows the states that the service shows.
The `databricks` command line is a few lines of Python on the path: it writes down how it was called and tells what a
deployed bundle's summary would tell.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from databricks_stub import Answer, Databricks, Request, missing, refusal

SCHEMA = "ml_dev.dev_jane_fares"
MODEL = f"{SCHEMA}.model"
VOLUME = f"/Volumes/{SCHEMA.replace('.', '/')}/files"
JOBS = {"train": 11, "sweep": 12, "score": 13, "deploy": 14}
COMMAND_LINE = """#!{python}
import pathlib, sys
with pathlib.Path({calls!r}).open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
if "summary" in sys.argv:
    print(pathlib.Path({summary!r}).read_text())
"""


@dataclass(frozen=True)
class Started:
    """A run that was asked for."""

    id: int
    job: str
    parameters: dict[str, str]

    @property
    def folder(self) -> str:
        """Where the tasks of the run write to."""
        return f"{VOLUME}/runs/{self.id}"


class Workspace:
    """The state, and how the runs of the jobs end."""

    def __init__(self, databricks: Databricks) -> None:
        self.databricks = databricks
        self.files = databricks.files.contents
        self.runs: dict[int, Started] = {}
        self.tokens: dict[str, int] = {}
        self.on_run: Callable[[Started], None] = lambda _: None
        # How a run ends, and the task that fails with it.
        self.result, self.failed = "SUCCESS", ""
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.update = "NOT_UPDATING"
        self._looks: dict[int, int] = {}
        self._sent: list[str] = []
        self._route()

    def _route(self) -> None:
        for method, pattern, handler in (
            ("POST", r"/api/2\.2/jobs/run-now", self._run_now),
            ("GET", r"/api/2\.2/jobs/runs/get", self._get_run),
            ("PUT", r"/api/2\.0/fs/directories/.+", lambda *_: Answer(204)),
            ("PUT", r"/api/2\.0/fs/files(/.+)", self._write),
            ("HEAD", r"/api/2\.0/fs/files(/.+)", self._head),
            ("GET", r"/api/2\.0/fs/directories(/.+)", self._list),
            ("PATCH", r"/api/2\.0/mlflow/unity-catalog/registered-models/update", self._link),
            ("GET", r"/api/2\.0/serving-endpoints/([^/]+)", self._endpoint),
            ("POST", r"/api/2\.0/serving-endpoints", self._serve),
            ("PUT", r"/api/2\.0/serving-endpoints/([^/]+)/config", self._change),
        ):
            self.databricks.route(method, pattern)(handler)

    # --- jobs

    def _run_now(self, request: Request, _: re.Match[str]) -> Answer:
        asked = request.json
        token = asked["idempotency_token"]
        if token not in self.tokens:
            job = next(name for name, id_ in JOBS.items() if id_ == asked["job_id"])
            started = Started(100 + len(self.runs), job, asked["job_parameters"])
            self.tokens[token], self.runs[started.id] = started.id, started
            self.on_run(started)
        return Answer(body={"run_id": self.tokens[token]})

    def _get_run(self, request: Request, _: re.Match[str]) -> Answer:
        number = int(request.query["run_id"])
        if number not in self.runs:
            return refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Run {number} does not exist.")
        self._looks[number] = self._looks.get(number, 0) + 1
        over = self._looks[number] > 2
        ended = {"life_cycle_state": "TERMINATED", "result_state": self.result}
        state = ended if over else {"life_cycle_state": "RUNNING"}
        tasks = [{"task_key": self.failed or "evaluate", "run_id": number + 1000, "state": state}]
        page = f"{self.databricks.url}/run/{number}"
        return Answer(body={"run_id": number, "run_page_url": page, "state": state, "tasks": tasks})

    # --- volumes

    def _write(self, request: Request, match: re.Match[str]) -> Answer:
        self.files[match[1]] = request.body
        self._sent = [path for path in self._sent if path != match[1]] + [match[1]]
        return Answer(204)

    def _head(self, _: Request, match: re.Match[str]) -> Answer:
        return Answer(200 if match[1] in self.files else 404)

    def _list(self, _: Request, match: re.Match[str]) -> Answer:
        folder = match[1].rstrip("/")
        found = self.databricks.files.below(folder)
        if not found:
            return missing(folder)
        names = sorted({path.split("/")[0] for path in found})
        return Answer(body={"contents": [self._entry(f"{folder}/{name}") for name in names]})

    def _entry(self, path: str) -> dict[str, Any]:
        entry = {"path": path, "name": path.rsplit("/", 1)[-1], "is_directory": path not in self.files}
        # One second after another, so that the newest is known.
        return entry | ({"last_modified": 1000 * self._sent.index(path)} if path in self._sent else {})

    # --- models

    def _link(self, request: Request, _: re.Match[str]) -> Answer:
        model = self.databricks.catalog.models[request.json["name"]]
        model["deployment_job_id"] = request.json["deployment_job_id"]
        return Answer(body={"registered_model": model})

    # --- serving endpoints

    def _endpoint(self, _: Request, match: re.Match[str]) -> Answer:
        if match[1] not in self.endpoints:
            return missing(f"Endpoint {match[1]}")
        state = {"ready": "READY", "config_update": self.update}
        return Answer(body={"name": match[1], "config": self.endpoints[match[1]], "state": state})

    def _serve(self, request: Request, _: re.Match[str]) -> Answer:
        self.endpoints[request.json["name"]] = request.json["config"]
        return Answer(body={"name": request.json["name"]})

    def _change(self, request: Request, match: re.Match[str]) -> Answer:
        self.endpoints[match[1]] = {"served_entities": request.json["served_entities"]}
        return Answer(body={"name": match[1]})


class CommandLine:
    """The stand-in for the `databricks` command line, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir(parents=True)
        self.summary, self.record = folder / "summary.json", folder / "calls.txt"
        self.record.touch()
        jobs = {name: {"id": str(number)} for name, number in JOBS.items()}
        self.tell({"jobs": jobs, "volumes": {"files": {"id": f"{SCHEMA}.files"}}})
        text = COMMAND_LINE.format(python=sys.executable, calls=str(self.record), summary=str(self.summary))
        self.write(text)

    def write(self, text: str) -> None:
        """Let it be another program."""
        (self.folder / "databricks").write_text(text, encoding="utf-8")
        (self.folder / "databricks").chmod(0o755)

    def tell(self, resources: dict[str, Any]) -> None:
        """Let the summary hold these resources."""
        self.summary.write_text(json.dumps({"resources": resources}), encoding="utf-8")

    def calls(self) -> list[str]:
        """How it was called."""
        return self.record.read_text(encoding="utf-8").splitlines()

    def path(self) -> str:
        """PATH with its folder first."""
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"
