"""Sends work to the Azure ML workspace and brings the results back; everything that a file cannot know is here.

The files under aml/ hold no name of this project and no version. At submission they get them: the environment and
the data by the hash of their content, so that the same content is uploaded once, and the champion by its exact
version, so that the job's record says what the new model was compared with.

Run: python aml/submit.py --help      (or the tasks: uv run poe platform-train)
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from tumour_check import NAME, settings
from tumour_check.errors import GateError, InputError, PipelineError
from tumour_check.folders import read_json
from tumour_check.registry import AzureRegistry, client, explained

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Data, PipelineJob

AML = Path(__file__).resolve().parent
PROJECT = AML.parent
MODEL = PROJECT / "outputs" / "model"
REPORT = PROJECT / "outputs" / "report"
# What travels with a job; .amlignore says the same.
SNAPSHOT = ("src", "config", "aml/score.py")
# Variables with the addresses of services that the steps ask. A job gets those that are set where it is sent from.
ADDRESSES: tuple[str, ...] = ()
# What `uv export` puts into the environment of the training by its accelerator, and into that of the scoring, which
# needs nothing of what trains.
TRAINING = {"cpu": "--group job --group training", "gpu": "--group job --extra gpu"}
SCORING = "--group parallel"
KINDS = ("train", "score")
# What `pip` asks by itself.
PYPI = "https://pypi.org/simple"
DATASTORE = "workspaceblobstore"
SERVERLESS = "serverless"
# A machine with one A100, of 80 GB.
GPU = "Standard_NC24ads_A100_v4"
# What a text between double quotes in a job's command cannot hold.
UNSAFE = set('"$`\\!')

app = typer.Typer(
    help="Send work to the Azure ML workspace and bring the results back.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
Config = Annotated[
    Path | None, typer.Option(help="Settings of an environment. [default: config/$ENVIRONMENT.yml, or config/dev.yml]")
]
Source = Annotated[
    str | None, typer.Option(help="Rows: azureml:NAME:VERSION or azureml://. [default: what platform-data sent last]")
]
Compute = Annotated[str, typer.Option(envvar="AZURE_ML_COMPUTE", help="A compute cluster's name, or serverless.")]


@dataclass(frozen=True)
class Plan:
    """What a pipeline file leaves open.

    Args:
        pipeline: name of a file in aml/pipelines.
        code: folder with the snapshot of the code.
        job: name of the job, new for each.
        config: path of the settings, from the project's root.
        settings: what stands in that file and the one below it.
        source: reference to the raw rows.
        environment: reference to the environment, with its version.
        compute: a cluster's name, or "serverless".
        gpu: size of the machine that trains where the settings ask for a GPU; a cluster has its own.
        champion: reference to the registered model to beat, or to score with; None before there is one.
        trials: a sweep's combinations of settings; empty for a single training.
        outputs: what the pipeline leaves.
        addresses: those of the services that the steps ask, by variable.
    """

    pipeline: str
    code: str
    job: str
    config: str
    settings: settings.Settings
    source: str
    environment: str
    compute: str = SERVERLESS
    gpu: str = GPU
    champion: str | None = None
    trials: tuple[str, ...] = ()
    outputs: tuple[str, ...] = (MODEL.name, REPORT.name)
    addresses: Mapping[str, str] = field(default_factory=dict)


# --- what needs no workspace ---------------------------------------------------------------------------------------


def build(plan: Plan) -> PipelineJob:
    """The job of a pipeline file with all that the plan adds, checked by the SDK.

    Raises:
        InputError: the SDK finds something wrong with the job.
    """
    from azure.ai.ml import load_job

    job: Any = load_job(AML / "pipelines" / f"{plan.pipeline}.yml", params_override=changes(plan))
    for name, node in job.jobs.items():
        component = getattr(node, "trial", None) or node.component
        runs = getattr(component, "task", component)  # a parallel component has them in its task
        runs.environment, runs.code = plan.environment, plan.code
        _tell(node, runs, plan.addresses)
        if name == "train":
            node.resources = _machines(plan)
            _equip(component, plan.settings)
    problems = job._validate().error_messages
    if problems:
        raise InputError(f"aml/pipelines/{plan.pipeline}.yml: {json.dumps(problems)}")
    checked: PipelineJob = job
    return checked


def _tell(node: Any, runs: Any, addresses: Mapping[str, str]) -> None:
    """Let a step know the addresses of services: by its command, since a sweep's trials take no variables."""
    if addresses and hasattr(runs, "command"):
        told = " ".join(f"{name}={address}" for name, address in addresses.items())
        runs.command = f"export {told} && {runs.command}"
    elif addresses:
        node.environment_variables = dict(addresses)


def known_addresses() -> dict[str, str]:
    """The addresses of services that are set here, by variable.

    Raises:
        InputError: one is no address: it would become part of a command.
    """
    known = {name: os.environ[name] for name in ADDRESSES if os.environ.get(name)}
    for name, address in known.items():
        if not re.fullmatch(r"https?://[\w.:/-]+", address, re.ASCII):
            raise InputError(f"{name} is no address: give one such as https://name.search.windows.net")
    return known


def _machines(plan: Plan) -> dict[str, Any]:
    """How many machines train, and of which size where neither a cluster nor the service's default decides."""
    asked = plan.settings.compute
    chosen = {"instance_type": plan.gpu} if asked.accelerator == "gpu" and plan.compute == SERVERLESS else {}
    return {"instance_count": asked.nodes, **chosen}


def _equip(training: Any, asked: settings.Settings) -> None:
    """Let training run in several processes, and go on where an interrupted attempt of it stopped."""
    from azure.ai.ml import Output

    if asked.compute.nodes * asked.compute.processes > 1:
        training.distribution = {"type": "pytorch", "process_count_per_instance": asked.compute.processes}
    if hasattr(asked.train, "checkpoint"):
        # A mount, which the next attempt gets too. A folder in it, since a mount itself cannot be removed in the end.
        training.outputs["checkpoint"] = Output(type="uri_folder", mode="rw_mount")
        training.command += " --set train.checkpoint=${{outputs.checkpoint}}/latest"


def changes(plan: Plan) -> list[dict[str, Any]]:
    """What the plan changes in a pipeline file, by dotted path."""
    changed: dict[str, Any] = {
        "name": plan.job,
        "experiment_name": NAME,
        "settings.default_compute": f"azureml:{plan.compute}",
        "inputs.config": plan.config,
        "inputs.source.path": plan.source,
    }
    for output in plan.outputs:
        changed[f"outputs.{output}.path"] = f"azureml://datastores/{DATASTORE}/paths/{_place(plan.job, output)}"
    if plan.champion and plan.pipeline == "score":
        changed |= {"inputs.model.path": plan.champion, "inputs.version": plan.champion.rpartition(":")[2]}
        changed["jobs.score.mini_batch_size"] = str(plan.settings.score.files)
    elif plan.champion:
        # An input of the node: azure-ai-ml refuses optional inputs of a pipeline job.
        changed["jobs.evaluate.inputs.champion"] = {"type": "mlflow_model", "path": plan.champion}
    if plan.trials:
        changed["jobs.train.search_space.set.values"] = list(plan.trials)
        changed["jobs.train.limits.max_total_trials"] = len(plan.trials)
    return [{path: value} for path, value in changed.items()]


def grid(space: Mapping[str, list[Any]]) -> tuple[str, ...]:
    """All combinations of the values, each as `--set` reads it, such as "train.a=1 train.b=x".

    Raises:
        InputError: a value cannot be written between double quotes.
    """
    texts = [[shlex.quote(f"{key}={_written(value)}") for value in values] for key, values in space.items()]
    trials = tuple(" ".join(combination) for combination in itertools.product(*texts))
    for trial in trials:
        if UNSAFE & set(trial):
            raise InputError(f"config/sweep.yml: {trial} holds one of {' '.join(sorted(UNSAFE))}; use another value")
    return trials


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


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


def content_version(folder: Path) -> str:
    """A version that follows from the names and bytes of a folder's files: 16 hexadecimal digits.

    Raises:
        InputError: there is no file.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise InputError(f"no file in {folder}: put the rows there, or run `pipeline sample` first")
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{file.relative_to(folder).as_posix()}\0{digest}\0".encode())
    return total.hexdigest()[:16]


def packages(kind: str, asked: settings.Compute) -> str:
    """What `uv export` puts into an environment, as options.

    Raises:
        InputError: training is to have what it has no use for.
    """
    if kind == "score":
        return SCORING
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    more = asked.accelerator == "gpu" or asked.nodes * asked.processes > 1
    if more and "gpu" not in project.get("optional-dependencies", {}):
        raise InputError(
            "pyproject.toml has no extra gpu, so training takes one process on one machine without a GPU: "
            "set compute.accelerator to cpu, and compute.nodes and compute.processes to 1"
        )
    return TRAINING[asked.accelerator]


def write_context(folder: Path, options: str) -> None:
    """Put an image's build context into a folder: the Dockerfile and the locked packages.

    Args:
        folder: an empty one.
        options: which packages, as `packages` says it.

    Raises:
        InputError: uv.lock is absent or does not fit pyproject.toml.
    """
    shutil.copy(AML / "environments" / "Dockerfile", folder)
    exported = _exported(options)
    (folder / "requirements.txt").write_text(_indexes(exported) + exported, encoding="utf-8")


def _exported(options: str) -> str:
    """Locked packages with their hashes, in the form that `pip` reads."""
    fixed = "export --quiet --locked --no-header --no-emit-project --no-default-groups"
    # `uv run` names itself; it need not be on the path.
    command = [os.environ.get("UV", "uv"), *fixed.split(), *options.split()]
    try:
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError as error:
        raise InputError("cannot find uv: run this as uv run python aml/submit.py environment") from error
    except subprocess.CalledProcessError as error:
        raise InputError(f"cannot read the locked packages, run uv lock: {error.stderr.strip()[-300:]}") from error


def _indexes(exported: str) -> str:
    """Lines that tell `pip` of the indexes, besides its own, that exported packages were locked from."""
    named = set(re.findall(r"^(\S+)==(\S+)", exported, re.MULTILINE))
    locked = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))["package"]
    found = {one["source"].get("registry", "") for one in locked if (one["name"], one.get("version")) in named}
    return "".join(f"--extra-index-url {url}\n" for url in sorted(found - {PYPI}) if url.startswith("http"))


def write_snapshot(folder: Path) -> None:
    """Copy the code of a job into a folder.

    The files name the project's root as their code, for the Azure command line, and .amlignore leaves the same of it.
    But azure-ai-ml would look at each file of .venv, several times a component: half a minute.
    """
    unwanted = shutil.ignore_patterns("__pycache__", "*.py[cod]", "*.egg-info")
    for source, target in ((PROJECT / name, folder / name) for name in SNAPSHOT):
        if source.is_dir():
            shutil.copytree(source, target, ignore=unwanted)
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy(source, target)


def settings_file(config: Path | None) -> str:
    """The settings of a job, as a path in the project, after reading them once: a mistake costs less here.

    Raises:
        InputError: the file is absent or wrong.
    """
    chosen = config or Path("config", f"{os.environ.get('ENVIRONMENT') or 'dev'}.yml")
    settings.load(PROJECT / chosen)
    return chosen.as_posix()


# --- what talks to the workspace -----------------------------------------------------------------------------------


def ensure_environment(workspace: MLClient, kind: str, asked: settings.Compute) -> str:
    """Create an environment of aml/environments unless this very one is there; its reference."""
    from azure.ai.ml import load_environment

    options = packages(kind, asked)
    with tempfile.TemporaryDirectory() as scratch:
        context = Path(scratch)
        write_context(context, options)
        # Set while loading: of a later change the SDK knows nothing, and uploads the folder of the file.
        made = load_environment(AML / "environments" / f"{kind}.yml", params_override=[{"build.path": scratch}])
        made.name, made.version = f"{NAME}-{made.name}", content_version(context)
        return _ensure(workspace.environments, made)


def ensure_data(workspace: MLClient) -> str:
    """Upload the raw rows unless these very ones are there; the reference of the data asset."""
    from azure.ai.ml import load_data

    made = load_data(AML / "data" / "raw.yml")
    made.name, made.version = f"{NAME}-{made.name}", content_version(Path(str(made.path)))
    return _ensure(workspace.data, made)


def _ensure(kind: Any, made: Any) -> str:
    from azure.core.exceptions import ResourceNotFoundError

    reference = f"azureml:{made.name}:{made.version}"
    with explained():
        try:
            kind.get(made.name, version=made.version)
            _say(f"{reference} is there already")
        except ResourceNotFoundError:
            kind.create_or_update(made)
            _say(f"{reference} created")
    return reference


def latest_data(workspace: MLClient) -> str:
    """The exact reference of the rows that were sent last.

    Raises:
        InputError: none were sent yet.
    """
    found = _newest(workspace)
    if found is None:
        raise InputError(f"no data asset {NAME}-raw in the workspace: run uv run poe platform-data first")
    return f"azureml:{found.name}:{found.version}"


def _newest(workspace: MLClient) -> Data | None:
    """The rows that were sent last.

    Their versions are hashes, in which the service sees no order: the time of their creation tells.
    """
    from azure.core.exceptions import ResourceNotFoundError

    with explained():
        try:
            return max(workspace.data.list(f"{NAME}-raw"), key=_created, default=None)
        except ResourceNotFoundError:
            workspace.workspaces.get(workspace.workspace_name)
            return None


def _created(asset: Any) -> str:
    return str(asset.creation_context and asset.creation_context.created_at)


def champion(workspace: MLClient) -> str | None:
    """The exact reference of the model that serves, None before there is one."""
    found = AzureRegistry(workspace, NAME).champion()
    return f"azureml:{NAME}:{found.version}" if found else None


def submit(workspace: MLClient, plan: Plan) -> str:
    """Send a job and say where to watch it; its name."""
    job = build(plan)
    _say(f"{plan.pipeline}: {plan.source}, {plan.environment}, champion {plan.champion or 'none yet'}")
    with explained():
        sent = workspace.jobs.create_or_update(job)
    _say(f"job {sent.name}: {sent.studio_url}")
    return str(sent.name)


def collect(workspace: MLClient, name: str) -> None:
    """Wait for a job and put its model and report into outputs/, in place of those of an earlier one.

    Raises:
        GateError: the gate refused the model, with its reasons.
        InputError: the job failed for another reason, or was cancelled.
    """
    for output in (MODEL, REPORT):
        shutil.rmtree(output, ignore_errors=True)
    status = _wait(workspace, name)
    _fetch(workspace, name, REPORT)
    decision = read_json(REPORT / "gate.json") if (REPORT / "gate.json").is_file() else None
    if decision and not decision["passed"]:
        raise GateError(f"the gate refused this model: {'; '.join(decision['reasons'])} (report: {REPORT})")
    if decision is None or status != "Completed":
        raise InputError(f"job {name} ended as {status}: read its log in the studio or with az ml job stream -n {name}")
    _fetch(workspace, name, MODEL)
    _say(f"the gate passed; model in {MODEL}, report in {REPORT}")


def _wait(workspace: MLClient, name: str) -> str:
    """Show the job's log until it ends; its last state."""
    from azure.ai.ml.exceptions import JobException

    with explained():
        try:
            workspace.jobs.stream(name)
        except JobException:
            # A job that fails makes the stream fail. The state tells why the stream ended.
            _say(f"the log of {name} ended early")
        status = workspace.jobs.get(name).status
    return str(getattr(status, "value", status))


def _fetch(workspace: MLClient, name: str, folder: Path) -> None:
    """Copy an output of a job from where the plan sent it. A failed job has the outputs that it wrote.

    Not `jobs.download`: it knows the outputs of jobs that ended well, and azure-ai-ml 1.35 fails on models.
    """
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import ContainerClient

    prefix = f"{_place(name, folder.name)}/"
    with explained(), DefaultAzureCredential() as credential:
        store: Any = workspace.datastores.get(DATASTORE)
        address = f"{store.protocol}://{store.account_name}.blob.{store.endpoint}"
        with ContainerClient(address, store.container_name, credential) as container:
            for blob in container.list_blobs(name_starts_with=prefix):
                target = folder / blob.name.removeprefix(prefix)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as stream:
                    container.download_blob(blob.name).readinto(stream)


def _place(job: str, output: str) -> str:
    """The folder of a job's output in the datastore."""
    return f"{NAME}/{job}/{output}"


# --- the commands --------------------------------------------------------------------------------------------------


@app.command()
def environment(config: Config = None) -> None:
    """Create the environments of the jobs from uv.lock. Does nothing for those that are there."""
    chosen, workspace = settings_file(config), client()
    for kind in KINDS:
        ensure_environment(workspace, kind, settings.load(PROJECT / chosen).compute)


@app.command()
def data() -> None:
    """Send the rows in data/raw as a data asset. Does nothing when they are there."""
    ensure_data(client())


@app.command()
def train(config: Config = None, source: Source = None, compute: Compute = SERVERLESS) -> None:
    """Train in the workspace, wait, and fetch model and report. Exit code 1 when the gate refuses."""
    _run("train", config, source, compute, ())


@app.command()
def sweep(config: Config = None, source: Source = None, compute: Compute = SERVERLESS) -> None:
    """Train with each combination of config/sweep.yml and evaluate the best. Exit code 1 when the gate refuses."""
    chosen = settings_file(config)
    trials = grid(read_space(PROJECT / "config" / "sweep.yml"))
    for trial in trials:
        settings.load(PROJECT / chosen, [trial])
    _run("sweep", config, source, compute, trials)


@app.command()
def fetch(job: str) -> None:
    """Wait for a job that was submitted earlier, and fetch its model and report."""
    collect(client(), job)


@app.command()
def score(config: Config = None, source: Source = None, compute: Compute = SERVERLESS) -> None:
    """Predict for rows in the workspace with its champion, and wait. The predictions stay there."""
    chosen, workspace = settings_file(config), client()
    found = champion(workspace)
    if found is None:
        raise InputError(f"{NAME} has no champion yet: run uv run poe platform-train first")
    job = _send(workspace, "score", chosen, source, compute, champion=found, outputs=("predictions",))
    status = _wait(workspace, job)
    if status != "Completed":
        raise InputError(f"job {job} ended as {status}: read its log in the studio or with az ml job stream -n {job}")
    _say(f"predictions and rejected rows: azureml://datastores/{DATASTORE}/paths/{_place(job, 'predictions')}")


@app.command()
def setup() -> None:
    """Check that the workspace answers, and tell what is there. Changes nothing."""
    workspace = client()
    with explained():
        found = workspace.workspaces.get(workspace.workspace_name)
        store: Any = workspace.datastores.get(DATASTORE)
        clusters = [compute.name for compute in workspace.compute.list()]
    data = _newest(workspace)
    for name, value in {
        "workspace": f"{found.name} in {found.location}",
        "storage": f"{store.account_name}/{store.container_name}",
        "compute": ", ".join(["serverless", *clusters]),
        "data": f"azureml:{data.name}:{data.version}" if data else "none yet: run uv run poe platform-data",
        "champion": champion(workspace) or "none yet: run uv run poe platform-train",
    }.items():
        _say(f"{name}: {value}")


def _run(pipeline: str, config: Path | None, source: str | None, compute: str, trials: tuple[str, ...]) -> None:
    chosen, workspace = settings_file(config), client()
    against = champion(workspace)
    collect(workspace, _send(workspace, pipeline, chosen, source, compute, champion=against, trials=trials))


def _send(workspace: MLClient, pipeline: str, config: str, source: str | None, compute: str, **more: Any) -> str:
    """Submit a pipeline with the code as it is now; the job's name."""
    asked = settings.load(PROJECT / config)
    with tempfile.TemporaryDirectory() as code:
        write_snapshot(Path(code))
        plan = Plan(
            pipeline=pipeline,
            code=code,
            job=f"{NAME}-{pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
            config=config,
            settings=asked,
            source=source or latest_data(workspace),
            environment=ensure_environment(workspace, "score" if pipeline == "score" else "train", asked.compute),
            compute=compute,
            gpu=os.environ.get("AZURE_ML_GPU") or GPU,
            addresses=known_addresses(),
            **more,
        )
        return submit(workspace, plan)


def _say(message: str) -> None:
    print(message, flush=True)


def main() -> None:
    """Run a command. A problem that the user can mend is one line on standard error, not a traceback."""
    # The SDK warns of its own experimental classes, and of every upload.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    try:
        app()
    except PipelineError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
