"""Sends work to the Databricks workspace and brings the results back; everything that the bundle cannot know is here.

What the bundle deployed is found by its summary, never by a name: development mode changes names. Rows lie in a folder
named by the hash of their content, so that the same rows are sent once, and each run has a folder of its own.

Run: python databricks/submit.py --help      (or the tasks: uv run poe platform-train)
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from handbook_assistant import settings
from handbook_assistant.errors import GateError, InputError, PipelineError
from handbook_assistant.folders import read_json
from handbook_assistant.registry import client, explained

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import Run

PROJECT = Path(__file__).resolve().parents[1]
RAW = PROJECT / "data" / "raw"
MODEL = PROJECT / "outputs" / "model"
REPORT = PROJECT / "outputs" / "report"
MONITORING = PROJECT / "outputs" / "monitoring"
# What serverless compute installs: the locked versions, for what trains and for all else. The bundle names these files.
TRAINING = PROJECT / "dist" / "requirements.txt"
SCORING = PROJECT / "dist" / "scoring.txt"
# Seconds between two looks at a run.
PAUSE = 10.0
# As much as a job parameter holds.
LONGEST = 10_000

app = typer.Typer(
    help="Send work to the Databricks workspace and bring the results back.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
Source = Annotated[
    str | None, typer.Option(help="Rows: a folder below /Volumes. [default: what platform-data sent last]")
]
NewRows = Annotated[str | None, typer.Option(help="Rows: a folder below /Volumes. [default: incoming/ in the volume]")]


@dataclass(frozen=True)
class Deployed:
    """What the bundle made in the workspace.

    Args:
        jobs: ids by the names of the bundle.
        volume: the folder of the volume.
    """

    jobs: Mapping[str, int]
    volume: str

    def folder(self, run: int) -> str:
        """Where a run keeps what it makes."""
        return f"{self.volume}/runs/{run}"


# --- what needs no workspace ---------------------------------------------------------------------------------------


def target() -> str:
    """The target of the bundle, which is the environment.

    Raises:
        InputError: its settings are absent or wrong: a mistake costs less here than in a job.
    """
    chosen = os.environ.get("ENVIRONMENT") or "dev"
    settings.load(_config(chosen))
    return chosen


def compute() -> settings.Compute:
    """What the target's settings ask for the job that trains."""
    return settings.load(_config(target())).compute


def _config(environment: str) -> Path:
    return PROJECT / "config" / f"{environment}.yml"


def grid(space: Mapping[str, list[Any]]) -> tuple[str, ...]:
    """All combinations of the values, each as `--set` reads it, such as "train.a=1 train.b=x".

    Raises:
        InputError: a value holds what Databricks would read as a reference.
    """
    texts = [[shlex.quote(f"{key}={_written(value)}") for value in values] for key, values in space.items()]
    trials = tuple(" ".join(combination) for combination in itertools.product(*texts))
    for trial in trials:
        if "{{" in trial:
            raise InputError(f"config/sweep.yml: {trial} holds two braces in a row; use another value")
    return trials


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def numbered(trials: tuple[str, ...]) -> str:
    """The trials as the parameter of the job: each with the number that names its folder.

    Raises:
        InputError: they are too many for a job's parameter.
    """
    width = len(str(len(trials) - 1))
    text = json.dumps([{"number": f"{number:0{width}}", "set": trial} for number, trial in enumerate(trials)])
    if len(text) > LONGEST:
        raise InputError(f"config/sweep.yml: {len(trials)} trials are too many for one sweep; try fewer values")
    return text


def read_space(file: Path) -> dict[str, list[Any]]:
    """The settings to try and their values.

    Raises:
        InputError: the file is absent, or is not a mapping of settings to lists of values.
    """
    try:
        space = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"cannot read {file}: it must name the settings to try, see docs/platform.md") from error
    if not isinstance(space, dict) or not space or not all(map(_values, space.values())):
        raise InputError(f"{file}: write each setting with the list of its values, such as train.seed: [1, 2]")
    return space


def _values(listed: object) -> bool:
    return isinstance(listed, list) and bool(listed)


def files(folder: Path) -> list[Path]:
    """The files below a folder, without hidden ones.

    Raises:
        InputError: there is none.
    """
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise InputError(f"no file in {folder}: put the rows there, or run `pipeline sample` first")
    return found


def content_version(folder: Path) -> str:
    """A version that follows from the names and bytes of a folder's files: 16 hexadecimal digits."""
    total = hashlib.sha256()
    for file in files(folder):
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{file.relative_to(folder).as_posix()}\0{digest}\0".encode())
    return total.hexdigest()[:16]


def write_packages(asked: settings.Compute) -> None:
    """Write the locked versions of what trains (on a GPU the extra `gpu`, else the group `training`) and of all else.

    Raises:
        InputError: no such machine can be given, or uv.lock is absent or does not fit pyproject.toml.
    """
    if asked.nodes > 1:
        raise InputError(f"compute.nodes = {asked.nodes}: one machine trains in Databricks here; write 1 in config/")
    on_gpu = asked.accelerator == "gpu"
    if on_gpu and "gpu" not in _toml("pyproject.toml")["project"].get("optional-dependencies", {}):
        raise InputError("compute.accelerator = gpu: pyproject.toml has no extra gpu to train with; write cpu there")
    TRAINING.parent.mkdir(exist_ok=True)
    TRAINING.write_text(packages("--extra=gpu" if on_gpu else "--group=training"), encoding="utf-8")
    SCORING.write_text(packages(), encoding="utf-8")


def packages(*chosen: str) -> str:
    """The locked versions as pip reads them, with the indexes to find them in. Without hashes: the wheel has none.

    Args:
        chosen: the groups and extras beside what the project always needs.

    Raises:
        InputError: uv.lock is absent or does not fit pyproject.toml.
    """
    options = "export --quiet --locked --no-header --no-annotate --no-hashes --no-emit-project --no-default-groups"
    # `uv run` names itself; it need not be on the path.
    command = [os.environ.get("UV", "uv"), *options.split(), *chosen]
    try:
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise InputError("cannot find uv: run this as uv run python databricks/submit.py environment") from error
    except subprocess.CalledProcessError as error:
        raise InputError(f"cannot read the locked packages, run uv lock: {error.stderr.strip()[-300:]}") from error
    return "".join(f"--extra-index-url {index}\n" for index in indexes(done.stdout)) + done.stdout


def indexes(exported: str) -> list[str]:
    """The indexes of pyproject.toml that some of these versions come from, as uv.lock knows."""
    pins = set(re.findall(r"^([\w.-]+)==([^\s;]+)", exported, re.MULTILINE))
    locked = _toml("uv.lock")["package"]
    used = {item["source"].get("registry") for item in locked if (item["name"], item.get("version")) in pins}
    declared = _toml("pyproject.toml").get("tool", {}).get("uv", {}).get("index", [])
    return [index["url"] for index in declared if index["url"] in used]


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((PROJECT / name).read_text(encoding="utf-8"))


# --- what talks to the workspace -----------------------------------------------------------------------------------


def workspace() -> WorkspaceClient:
    """A client for the workspace that DATABRICKS_HOST names.

    Raises:
        InputError: the variable is not set, or nobody is signed in.
    """
    if not os.environ.get("DATABRICKS_HOST"):
        raise InputError("DATABRICKS_HOST not set: say which Databricks workspace to use, see docs/platform.md")
    return client()


def bundle(*arguments: str, capture: bool) -> str:
    """Run `databricks bundle ARGUMENTS` for the target; what it printed, unless that went to the terminal.

    Raises:
        InputError: the command line is not there, or it failed.
    """
    found = shutil.which("databricks") or shutil.which("databricks", path=str(Path(sys.executable).parent))
    if found is None:
        raise InputError("cannot find the databricks command line: run uv run poe platform-tools")
    command = [found, "bundle", *arguments, "--target", target()]
    kept = subprocess.PIPE if capture else None
    done = subprocess.run(command, cwd=PROJECT, stdout=kept, stderr=kept, text=True, check=False)
    if done.returncode:
        said = f": {' '.join(done.stderr.split())[-300:]}" if capture else ", see above"
        raise InputError(f"databricks bundle {arguments[0]} failed{said}")
    return done.stdout or ""


def deployed() -> Deployed:
    """What the bundle made, as its summary tells.

    Raises:
        InputError: it is not deployed yet.
    """
    chosen = target()
    if not (TRAINING.is_file() and SCORING.is_file()):
        write_packages(compute())
    made = json.loads(bundle("summary", "--output", "json", capture=True)).get("resources", {})
    jobs = {name: int(job["id"]) for name, job in made.get("jobs", {}).items() if job.get("id")}
    volume = made.get("volumes", {}).get("files", {}).get("id")
    if not volume or not {"train", "sweep", "score", "deploy"} <= jobs.keys():
        raise InputError(f"the bundle is not deployed to {chosen}: run uv run poe platform-environment first")
    return Deployed(jobs, "/Volumes/" + volume.replace(".", "/"))


def ensure_data(there: WorkspaceClient, place: str) -> str:
    """Upload the raw rows unless these very ones are there; their folder.

    A note beside the folder, written last, says that all of it arrived.
    """
    from databricks.sdk.errors import NotFound

    found = files(RAW)
    folder = f"{place}/raw/{content_version(RAW)}"
    with explained():
        try:
            there.files.get_metadata(f"{folder}.json")
            say(f"{folder} is there already")
        except NotFound:
            for path in found:
                remote = f"{folder}/{path.relative_to(RAW).as_posix()}"
                there.files.create_directory(remote.rpartition("/")[0])
                there.files.upload_from(remote, str(path), overwrite=True)
            note = json.dumps({"files": len(found), "bytes": sum(path.stat().st_size for path in found)})
            there.files.upload(f"{folder}.json", io.BytesIO(note.encode()), overwrite=True)
            say(f"{folder} created")
    return folder


def latest_data(there: WorkspaceClient, place: str) -> str:
    """The folder of the rows that were sent last: their names are hashes, the time of their note tells.

    Raises:
        InputError: none were sent yet.
    """
    from databricks.sdk.errors import NotFound

    with explained():
        try:
            entries = list(there.files.list_directory_contents(f"{place}/raw"))
        except NotFound:
            entries = []
    notes = sorted((entry.last_modified or 0, entry.path or "") for entry in entries if _is_note(entry.path))
    if not notes:
        raise InputError(f"no rows in {place}/raw: run uv run poe platform-data first")
    return notes[-1][1].removesuffix(".json")


def _is_note(path: str | None) -> bool:
    return bool(path) and str(path).endswith(".json")


def start(there: WorkspaceClient, made: Deployed, job: str, parameters: Mapping[str, str]) -> int:
    """Start a job and say where to watch it; the run's id."""
    with explained():
        # By the token the service knows a request that was sent twice because its answer got lost.
        token = uuid.uuid4().hex
        waiter = there.jobs.run_now(made.jobs[job], job_parameters=dict(parameters), idempotency_token=token)
        run = there.jobs.get_run(waiter.run_id)
    say(f"{job}: {parameters.get('source')}")
    say(f"run {waiter.run_id}: {run.run_page_url}")
    return int(waiter.run_id)


def collect(there: WorkspaceClient, made: Deployed, run: int) -> None:
    """Wait for a run and put its model and report into outputs/, in place of those of an earlier one.

    Raises:
        GateError: the gate refused the model, with its reasons.
        InputError: the run failed for another reason, or was cancelled.
    """
    for output in (MODEL, REPORT):
        shutil.rmtree(output, ignore_errors=True)
    ended = wait(there, run)
    _fetch(there, made, run, REPORT)
    decision = read_json(REPORT / "gate.json") if (REPORT / "gate.json").is_file() else None
    if decision and not decision["passed"]:
        raise GateError(f"the gate refused this model: {'; '.join(decision['reasons'])} (report: {REPORT})")
    if decision is None:
        raise InputError(f"run {run} has no report: {_told(ended)}")
    _succeeded(ended)
    _fetch(there, made, run, MODEL)
    say(f"the gate passed; model in {MODEL}, report in {REPORT}")


def wait(there: WorkspaceClient, run: int) -> Run:
    """Tell each change of a task's state until the run ends; the run as it ended."""
    told: dict[str, str] = {}
    while True:
        with explained():
            seen = there.jobs.get_run(run)
        for task in seen.tasks or []:
            state = _state(task)
            if told.get(task.task_key) != state:
                told[task.task_key] = state
                say(f"  {task.task_key}: {state}")
        if _over(seen):
            return seen
        time.sleep(PAUSE)


def _state(seen: Any) -> str:
    """How a run or a task is doing, in the service's word: its result once it has one."""
    word = seen.state.result_state or seen.state.life_cycle_state
    return str(word.value).lower()


def _over(seen: Any) -> bool:
    return seen.state.life_cycle_state.value in ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")


def _succeeded(ended: Run) -> None:
    if _state(ended) != "success":
        raise InputError(_told(ended))


def _told(ended: Run) -> str:
    """How a run ended, which tasks failed, and where to read on."""
    failed = [task.task_key for task in ended.tasks or [] if _state(task) == "failed"]
    where = f" in {', '.join(failed)}" if failed else ""
    return f"run {ended.run_id} ended as {_state(ended)}{where}: read its log at {ended.run_page_url}"


def _fetch(there: WorkspaceClient, made: Deployed, run: int, folder: Path) -> None:
    """Copy an output of a run. A failed run has the outputs that its tasks wrote."""
    name = "report" if folder == MONITORING else folder.name
    _copy(there, f"{made.folder(run)}/{name}", folder)


def _copy(there: WorkspaceClient, remote: str, folder: Path) -> None:
    from databricks.sdk.errors import NotFound

    with explained():
        try:
            entries = list(there.files.list_directory_contents(remote))
        except NotFound:
            return
    for entry in entries:
        name = str(entry.path).rstrip("/").rpartition("/")[2]
        if entry.is_directory:
            _copy(there, f"{remote}/{name}", folder / name)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        with explained():
            there.files.download_to(f"{remote}/{name}", str(folder / name), overwrite=True)


# --- the commands --------------------------------------------------------------------------------------------------


@app.command()
def environment() -> None:
    """Deploy the bundle with the locked packages. Changes only what differs."""
    workspace()
    write_packages(compute())
    bundle("deploy", capture=False)


@app.command()
def data() -> None:
    """Send the rows in data/raw to the volume. Does nothing when they are there."""
    ensure_data(workspace(), deployed().volume)


@app.command()
def train(source: Source = None) -> None:
    """Train and register in the workspace, wait, and fetch model and report. Exit code 1 when the gate refuses."""
    there, made = workspace(), deployed()
    rows = source or latest_data(there, made.volume)
    collect(there, made, start(there, made, "train", {"source": rows}))


@app.command()
def sweep(source: Source = None) -> None:
    """Train with each combination of config/sweep.yml and evaluate the best. Exit code 1 when the gate refuses."""
    trials = grid(read_space(PROJECT / "config" / "sweep.yml"))
    for trial in trials:
        settings.load(_config(target()), [trial])
    parameter = numbered(trials)
    there, made = workspace(), deployed()
    rows = source or latest_data(there, made.volume)
    collect(there, made, start(there, made, "sweep", {"source": rows, "trials": parameter}))


@app.command()
def score(source: NewRows = None) -> None:
    """Predict for new rows in the workspace, wait, and fetch what monitoring says about them."""
    there, made = workspace(), deployed()
    run = start(there, made, "score", {"source": source or f"{made.volume}/incoming"})
    shutil.rmtree(MONITORING, ignore_errors=True)
    _succeeded(wait(there, run))
    _fetch(there, made, run, MONITORING)
    say(f"predictions are in the table; what monitoring says is in {MONITORING}")


@app.command()
def fetch(run: int) -> None:
    """Wait for a training or sweep that was started earlier, and fetch its model and report."""
    collect(workspace(), deployed(), run)


def say(message: str) -> None:
    """Tell the user at once, also where the output is no terminal."""
    print(message, flush=True)


def main(commands: typer.Typer = app) -> None:
    """Run a command. A problem that the user can mend is one line on standard error, not a traceback."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    # As the Azure command line is signed in, for the SDK and for the databricks command line alike.
    os.environ.setdefault("DATABRICKS_AUTH_TYPE", "azure-cli")
    try:
        commands()
    except PipelineError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
