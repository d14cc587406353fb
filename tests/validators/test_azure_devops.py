"""The files for Azure DevOps: Microsoft's own engine reads them, and rules of our own see what it is blind for.

The engine knows the shape of a file and the inputs of a task. It follows no template and resolves no name, so azure_pipelines.py
works out the runs that a file can become, and the rules look at these. Each rule is broken once on purpose.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.resources import files as files_of
from pathlib import Path
from typing import Any, ClassVar

import azure_pipelines
import ci_page
import pytest
import yaml
from azure_pipelines import Job, PipelineError
from ci_page import option
from conftest import Matrix
from tools import command

HERE = Path(__file__).parent
PINS = tomllib.loads((HERE / "action_pins.toml").read_text("utf-8"))
SCHEMA = Path(str(files_of("check_jsonschema"))) / "builtin_schemas/vendor/azure-pipelines.json"
ENVIRONMENTS = ("dev", "staging", "prod")
PIPELINES = ("ci", "drift", "infra", "score", "train")
# Microsoft's own tasks, each at its major version. A task of the marketplace would have to be installed first.
TASKS = {"AzureCLI@2", "UsePythonVersion@0"}
# Values of the answers that a CI file must not know, those of later releases included.
UNKNOWN_TO_CI = re.compile(
    r"\b(classical|cv|nlp|rag|classification|regression|aml|databricks|machine learning|bicep|terraform)\b",
    re.IGNORECASE,
)
SECRET = re.compile(r"secret|password|passwd|token|\bkey|_key|accesstoken", re.IGNORECASE)
# The run's own token: what it may do is given to the build service, and only these scripts see it.
RUNS_OWN = "System.AccessToken"
WITH_TOKEN = re.compile(r"bash \.azuredevops/scripts/(comment|issue)\.sh .*")
SET_BY_SCRIPT = re.compile(r"##vso\[task\.setvariable variable=(\w+)\]")
SCRIPT = re.compile(r"[\w./-]+\.sh\b")


@pytest.fixture
def shipped(matrix: Matrix, tmp_path: Path) -> Path:
    """A folder that holds only what a made project has for Azure DevOps."""
    folder = tmp_path / "shipped"
    for file in matrix.unique(".azuredevops/**/*", "docs/ci.md", ".python-version"):
        if not any("azure_devops" in variant for variant in file.variants):
            continue
        target = folder / file.relative
        assert not target.exists(), f"{file.relative} differs between variants; CI files are the same in all"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.content, "utf-8")
    return folder


def files(repository: Path) -> list[Path]:
    """All pipelines and templates."""
    found = sorted((repository / ".azuredevops").rglob("*.yml"))
    assert len(found) > len(PIPELINES), f"no pipelines and templates in {repository}"
    return found


def scripts(repository: Path) -> list[Path]:
    """All shell scripts."""
    found = sorted((repository / ".azuredevops/scripts").glob("*.sh"))
    assert found, f"no script in {repository}"
    return found


def replace(file: Path, old: str, new: str) -> None:
    """Break a file on purpose; the old text must be there, or the test would prove nothing."""
    text = file.read_text("utf-8")
    assert old in text, f"{file.name} no longer holds {old!r}: choose another fault"
    file.write_text(text.replace(old, new, 1), "utf-8")


# --- Microsoft's engine


def engine(repository: Path) -> list[str]:
    """Findings of the engine, one a line; all files must have been read."""
    if "NODE_PATH" not in os.environ:
        pytest.fail(
            "NODE_PATH is not set: run the tests through `uvx nox -s validate`, which installs the Node packages"
        )
    checked = files(repository)
    done = subprocess.run(
        [command("node"), HERE / "azure_pipelines.js", SCHEMA, *checked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["read"] == len(checked)
    return [f"{Path(found['file']).name}:{found['line']}: {found['message']}" for found in report["findings"]]


def test_the_engine_finds_nothing(shipped: Path) -> None:
    """Keys, values, tasks and their inputs are ones that Azure Pipelines knows."""
    assert engine(shipped) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "finding"),
    [
        ("train.yml", "timeoutInMinutes:", "timeoutInMinute:", "timeoutInMinute"),
        ("infra.yml", "- stage: deploy", "- stag: deploy", "stag"),
        ("infra.yml", "lockBehavior: sequential", "lockBehavior: sometimes", "sequential"),
        ("ci.yml", "displayName: Lint", "dispalyName: Lint", "dispalyName"),
        ("templates/task.yml", "scriptType: bash", "scriptType: bsh", "Valid values"),
        ("templates/task.yml", "keepAzSessionActive:", "keepAzSession:", "keepAzSession"),
        ("templates/project.yml", "UsePythonVersion@0", "UseSnakeVersion@0", "not accepted"),
        ("templates/plan.yml", "- job: plan", "- jb: plan", "jb"),
        ("templates/report.yml", "- publish:", "- publsh:", "publsh"),
        ("templates/names.yml", "value:", "vlaue:", "vlaue"),
    ],
)
def test_the_engine_turns_red(shipped: Path, file: str, old: str, new: str, finding: str) -> None:
    """A misspelt key, a value and a task that do not exist are found, in pipelines and in each kind of template."""
    replace(shipped / ".azuredevops" / file, old, new)
    assert any(line.startswith(Path(file).name) and finding in line for line in engine(shipped))


# --- what can run


def runs(repository: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every run that the pipelines can become: file, reason, content. One with each value of each parameter, on each pool."""
    for name in PIPELINES:
        file = repository / ".azuredevops" / f"{name}.yml"
        declared = {item["name"]: item for item in azure_pipelines.load(file).get("parameters", [])}
        yield name, "PullRequest", azure_pipelines.expand(file, "PullRequest")
        for environment in ENVIRONMENTS if "environment" in declared else ("",):
            for sample in (True, False) if "sample" in declared else (None,):
                given = {"environment": environment, "sample": sample}
                chosen = {key: value for key, value in given.items() if key in declared}
                for pool in (None, "ours"):
                    yield name, "Manual", azure_pipelines.expand(file, "Manual", pool=pool, **chosen)


def violations(repository: Path) -> list[str]:
    """What the files do against the rules of this template, each once."""
    found = [line for file in files(repository) for line in file_violations(file)]
    try:
        for name, reason, run in runs(repository):
            found += [f"{name}.yml: {line}" for line in run_violations(run, reason, repository)]
    except PipelineError as error:
        found.append(str(error))
    return sorted(set(found))


def file_violations(file: Path) -> Iterator[str]:
    """Rules for a file as it is written."""
    text = file.read_text("utf-8")
    for name in (item["name"] for item in yaml.safe_load(text).get("parameters", [])):
        if not re.search(rf"\bparameters\.{name}\b", text):
            yield f"{file.name}: nothing reads the parameter {name}"
    for step in walked(yaml.safe_load(text)):
        for key in ("bash", "script", "pwsh", "powershell", "inlineScript", "arguments"):
            if re.search(r"\$\{\{|\$\(\w", str(step.get(key, ""))):
                yield f"{file.name}: an expression stands inside a script; pass it through env"
    given = [step for step in walked(yaml.safe_load(text)) if RUNS_OWN in json.dumps(step.get("env", {}))]
    is_told = [WITH_TOKEN.fullmatch(step.get("bash", "")) and step["env"]["SYSTEM_ACCESSTOKEN"] for step in given]
    if "isSecret" in text or text.lower().count(RUNS_OWN.lower()) != len(given) or not all(is_told):
        yield f"{file.name}: reads a secret"
    if re.search(r"^resources:|@\w+\s*$", re.sub(r"\w+@\d+", "", text), re.MULTILINE):
        yield f"{file.name}: takes files from another repository"


def walked(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a file."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walked(child)


def run_violations(run: dict[str, Any], reason: str, repository: Path) -> Iterator[str]:
    """Rules for a run as a whole: whom it trusts, and that its stages know each other."""
    jobs = azure_pipelines.jobs(run)
    if not jobs:
        yield f"nothing runs for {reason}"
    if unknown := {need for job in jobs for need in job.needs} - {job.name for job in jobs}:
        yield f"waits for {sorted(unknown)}, which does not exist"
    if run.get("pr") != "none":
        yield "pull requests start it without the policy of docs/ci.md"
    for job in jobs:
        yield from (f"{job.name}: {line}" for line in job_violations(job, repository))
        yield from (f"{job.name}: {line}" for line in identity_violations(job, reason))
        for step in job.steps:
            yield from (f"{job.name}: {line}" for line in step_violations(step, repository))


def job_violations(job: Job, repository: Path) -> Iterator[str]:
    """Rules for a job."""
    if not isinstance(job.body.get("timeoutInMinutes"), int):
        yield "has no timeout"
    pool = next((item["value"] for item in job.variables if item.get("name") == "pool"), "")
    if job.body.get("pool") != ({"name": pool} if pool and job.connections else {"vmImage": "ubuntu-24.04"}):
        yield "does not run on ubuntu-24.04, or where the project says"
    if not job.title:
        yield "has no name"
    if [step.get("checkout") for step in job.steps][:1] != ["self"]:
        yield "does not check out first"
    names = [str(name) for item in job.variables for name in (item.get("name"), item.get("group")) if name]
    names += [name for step in job.steps for name in step.get("env", {}) if name != "SYSTEM_ACCESSTOKEN"]
    if secrets := [name for name in names if SECRET.search(name)]:
        yield f"knows a secret: {secrets}"
    known = (
        {item["name"] for item in job.variables if "name" in item}
        | azure_pipelines.PREDEFINED
        | set_by(job, repository)
    )
    text = json.dumps(job.body) + job.condition
    read = azure_pipelines.MACRO.findall(text) + re.findall(r"variables\['([^']+)'\]", text)
    if unknown := set(read) - known:
        yield f"reads variables that nothing sets: {sorted(unknown)}"


def set_by(job: Job, repository: Path) -> set[str]:
    """The variables that the scripts of a job set."""
    text = "".join(
        (repository / name).read_text("utf-8") for name in called_scripts(job) if (repository / name).is_file()
    )
    return set(SET_BY_SCRIPT.findall(text))


def called_scripts(job: Job) -> list[str]:
    """The paths of the scripts that the steps of a job run."""
    texts = [str(step.get("bash", "")) + " " + str(step.get("inputs", {}).get("scriptPath", "")) for step in job.steps]
    return [name for text in texts for name in SCRIPT.findall(text)]


def identity_violations(job: Job, reason: str) -> Iterator[str]:
    """Rules for who may sign in: code that nobody has reviewed never as an identity that may write."""
    environment = str(job.body.get("environment", ""))
    chosen = {item.get("value") for item in job.variables if item.get("name") == "ENVIRONMENT"}
    groups = {item["group"] for item in job.variables if "group" in item}
    project = next((item["value"] for item in job.variables if item.get("name") == "project"), "")
    if job.is_deployment:
        if chosen != {environment.removeprefix(f"{project}-")} or not chosen <= set(ENVIRONMENTS):
            yield f"deploys into {environment!r}, and its ENVIRONMENT is {chosen}"
        if job.lock != "sequential":
            yield "does not wait for its environment"
        if reason == "PullRequest" and job.name == "deploy":
            yield "a pull request deploys"
    if job.connections and groups != {f"{project}-{name}" for name in chosen}:
        yield f"takes its variables from {sorted(groups)}"
    allowed = environment if job.is_deployment else f"{project}-plan-{''.join(map(str, chosen))}"
    if job.connections - {allowed}:
        yield f"signs in as {sorted(job.connections)} where only {allowed} may be"
    if job.connections and not job.is_deployment and "System.PullRequest.IsFork" not in job.condition:
        yield "signs in for a fork"


def step_violations(step: dict[str, Any], repository: Path) -> Iterator[str]:
    """Rules for a step."""
    if "checkout" in step:
        if step.get("persistCredentials") is not False:
            yield "keeps the credentials of the checkout"
        return
    if not step.get("displayName"):
        yield f"a step has no name: {step}"
    if step.get("task") not in {None, *TASKS}:
        yield f"{step['task']} is not one of {sorted(TASKS)}"
    if len(str(step.get("bash", "")).splitlines()) > 1:
        yield "a step of several lines goes on after a failed one; write a script"
    if "condition" in step and "canceled" not in step["condition"]:
        yield f"a step runs under {step['condition']}"
    text = json.dumps(step)
    for name in SCRIPT.findall(text):
        if not (repository / name).is_file():
            yield f"{name} does not exist"
    for version in re.findall(r"\bpip install .*?\buv(?:==(\S+?))?(?=[\"\s])", text):
        if version != PINS["tools"]["uv"]:
            yield f"uv {version} is not in action_pins.toml"
    if step.get("task") == "UsePythonVersion@0":
        wanted = (repository / ".python-version").read_text("utf-8").strip()
        if step["inputs"]["versionSpec"] != wanted:
            yield f"Python is not {wanted}, as .python-version says"


def test_our_own_rules_hold(shipped: Path) -> None:
    """Every run has timeouts, pinned tools, named steps, resolved names, no secret, and the identity that it may have."""
    assert violations(shipped) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "violation"),
    [
        ("ci.yml", "templates/project.yml", "templates/projekt.yml", "projekt.yml does not exist"),
        ("ci.yml", "          artifact: report\n", "          artefact: report\n", "no parameter artefact"),
        ("ci.yml", "        parameters:\n          artifact: report\n", "", "needs the parameter artifact"),
        ("ci.yml", "    timeoutInMinutes: 30\n", "", "timeout"),
        ("ci.yml", "ubuntu-24.04", "ubuntu-latest", "ubuntu-24.04"),
        ("ci.yml", "    displayName: Lint, types and tests\n", "", "has no name"),
        ("ci.yml", "        displayName: Lint\n", "", "a step has no name"),
        ("ci.yml", "uv run poe lint", "echo $(Build.SourceVersionMessage)", "inside a script"),
        ("ci.yml", "uv run poe lint", "|\n          false\n          uv run poe lint", "several lines"),
        ("ci.yml", "condition: not(canceled())", "condition: always()", "runs under always()"),
        ("ci.yml", "pr: none", "pr: [main]", "without the policy"),
        ("train.yml", "eq(parameters.sample, true)", "eq(parameters.sampel, true)", "parameters.sampel"),
        (
            "train.yml",
            "eq(parameters.sample, true)",
            "eq(parameters.environment, 'dev')",
            "nothing reads the parameter sample",
        ),
        ("train.yml", "eq(parameters.sample, true)", "contains(parameters.sample, true)", "called contains"),
        ("train.yml", "default: dev", "default: test", "cannot be 'test'"),
        ("train.yml", "type: boolean\n    default: false", "type: boolean\n    default: no thanks", "is no boolean"),
        ("train.yml", "needs: data/raw", "needs: $(rows)", "nothing sets: ['rows']"),
        ("train.yml", "        value: ${{ parameters.environment }}", "        value: dev", "deploys into"),
        ("train.yml", "    lockBehavior: sequential\n", "", "does not wait"),
        (
            "train.yml",
            "connection: ${{ variables.project }}-",
            "connection: ${{ variables.project }}-plan-",
            "signs in as",
        ),
        (
            "train.yml",
            "- group: ${{ variables.project }}-${{ parameters.environment }}",
            "- group: all",
            "takes its variables",
        ),
        ("train.yml", "- name: ENVIRONMENT", "- name: STORAGE_KEY", "knows a secret"),
        ("train.yml", "- deployment: train", "- job: train", "misses 'steps'"),
        ("score.yml", "variables.project", "variables.projekt", "variables.projekt"),
        ("infra.yml", "dependsOn: plan_", "dependsOn: plann_", "does not exist"),
        ("infra.yml", "- ${{ else }}:", "- ${{ if eq('a', 'a') }}:", "a pull request deploys"),
        ("infra.yml", "name: ${{ variables.pool }}", "name: theirs", "where the project says"),
        ("infra.yml", "scripts/comment.sh", "scripts/install.sh", "reads a secret"),
        ("templates/drift.yml", "CODE: $(code)", "CODE: $(System.AccessToken)", "reads a secret"),
        ("templates/drift.yml", "CODE: $(code)", "CODE: $(coda)", "nothing sets: ['coda']"),
        ("templates/plan.yml", "-plan-${{", "-${{", "signs in as"),
        ("templates/plan.yml", ", ne(variables['System.PullRequest.IsFork'], 'True')", "", "for a fork"),
        ("templates/plan.yml", "System.PullRequest.IsFork", "System.PullRequest.IsForked", "nothing sets"),
        ("templates/project.yml", "persistCredentials: false", "persistCredentials: true", "keeps the credentials"),
        (
            "templates/project.yml",
            "  - checkout: self\n    fetchDepth: 1\n    persistCredentials: false\n",
            "",
            "check out first",
        ),
        ("templates/project.yml", "UsePythonVersion@0", "UseNode@1", "UseNode@1 is not one of"),
        ("templates/project.yml", "uv==0.13.8", "uv", "not in action_pins.toml"),
        ("templates/project.yml", '"3.11"', '"3.12"', ".python-version"),
        ("templates/project.yml", "scripts/install.sh", "scripts/instal.sh", "does not exist"),
        ("templates/report.yml", "variables['report']", "variables['reported']", "nothing sets: ['reported']"),
        ("templates/task.yml", "      NEEDS:", "      AZURE_CLIENT_SECRET:", "knows a secret"),
        ("templates/task.yml", "TASK: ${{ parameters.task }}", "TASK: $(System.AccessToken)", "reads a secret"),
        ("templates/task.yml", "scriptLocation: scriptPath", "arguments: ${{ parameters.task }}", "inside a script"),
        ("templates/names.yml", "variables:", "resources: {}\nvariables:", "another repository"),
    ],
)
def test_a_broken_rule_is_found(shipped: Path, file: str, old: str, new: str, violation: str) -> None:
    """Each rule sees the file that breaks it."""
    replace(shipped / ".azuredevops" / file, old, new)
    assert any(violation in line for line in violations_or_error(shipped)), violations_or_error(shipped)


def violations_or_error(repository: Path) -> list[str]:
    """The violations, or how far a file is from one that can be worked out at all."""
    try:
        return violations(repository)
    except KeyError as error:
        return [f"misses {error}"]


def test_a_pull_request_has_no_stage_that_deploys(shipped: Path) -> None:
    """Its run of `infra` plans for every environment, with the planners only; by hand it plans and deploys for one."""
    file = shipped / ".azuredevops/infra.yml"
    requested = azure_pipelines.jobs(azure_pipelines.expand(file, "PullRequest"))
    assert [(job.name, job.connections) for job in requested] == [
        *((f"plan_{name}", {f"taxi-fares-plan-{name}"}) for name in ENVIRONMENTS),
        ("comment", set()),
    ]
    by_hand = azure_pipelines.jobs(azure_pipelines.expand(file, "Manual", environment="prod"))
    assert [(job.name, job.connections) for job in by_hand] == [
        ("plan_prod", {"taxi-fares-plan-prod"}),
        ("deploy", {"taxi-fares-prod"}),
    ]


def test_an_unknown_environment_is_refused(shipped: Path) -> None:
    """A parameter takes only the values that the file lists, as in the service."""
    with pytest.raises(PipelineError, match="cannot be 'test'"):
        azure_pipelines.expand(shipped / ".azuredevops/train.yml", "Manual", environment="test")


def test_schedules_are_sound_once_the_marks_are_gone(shipped: Path) -> None:
    """The lines that a team uncomments are a schedule of Azure Pipelines, of the main branch."""
    for name in ("train", "score"):
        file = shipped / ".azuredevops" / f"{name}.yml"
        text = file.read_text("utf-8")
        file.write_text(re.sub(r"^# (schedules:|  .*)$", r"\1", text, flags=re.MULTILINE), "utf-8")
        assert azure_pipelines.load(file)["schedules"][0]["branches"] == {"include": ["main"]}
    assert engine(shipped) == []


def test_files_know_no_project_type_platform_or_infrastructure_language(shipped: Path) -> None:
    """A CI file signs in and calls tasks; what is learnt, where and in which language is not its matter."""
    text = "\n".join(file.read_text("utf-8") for file in (shipped / ".azuredevops").rglob("*") if file.is_file())
    assert UNKNOWN_TO_CI.findall(text) == []
    assert UNKNOWN_TO_CI.findall(f"{text}# az bicep build of Databricks") == ["bicep", "Databricks"]


# --- scripts


def test_shellcheck_finds_nothing(shipped: Path) -> None:
    """The scripts and every line of shell in the files are sound."""
    done = subprocess.run([command("shellcheck"), *scripts(shipped)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    steps = [step for file in files(shipped) for step in walked(yaml.safe_load(file.read_text("utf-8")))]
    inline = [step["bash"] for step in steps if "bash" in step]
    assert len(inline) > 10
    assert [ci_page.shellcheck(command("shellcheck"), line) for line in inline] == [""] * len(inline)


def test_shellcheck_turns_red(shipped: Path) -> None:
    """An unquoted expansion is found in a script and in a line."""
    script = shipped / ".azuredevops/scripts/task.sh"
    replace(script, 'uv run poe "$TASK" |', "uv run poe $TASK |")
    done = subprocess.run([command("shellcheck"), script], capture_output=True, text=True, check=False)
    assert "SC2086" in done.stdout
    assert "SC2086" in ci_page.shellcheck(command("shellcheck"), "uv run poe $TASK")


def script(repository: Path, name: str, *arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a step does, with stand-ins from `bin` of its folder first on the path."""
    path = os.pathsep.join([str(cwd / "bin"), str(Path(command("uv")).parent), os.environ["PATH"]])
    places = {"AGENT_TEMPDIRECTORY": str(cwd), "BUILD_ARTIFACTSTAGINGDIRECTORY": str(cwd / "staging"), "PATH": path}
    file = repository / ".azuredevops/scripts" / name
    return subprocess.run(
        ["bash", file, *arguments],
        cwd=cwd,
        env=os.environ | places | {"ANSWER": ""} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def stand_in(folder: Path, name: str, body: str) -> None:
    """A program that a script finds before the real one."""
    file = folder / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    file.chmod(file.stat().st_mode | stat.S_IEXEC)


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A project without dependencies, so that locking it needs no network, with its lock."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "plums"\nversion = "1"\nrequires-python = ">=3.11"\n', "utf-8"
    )
    subprocess.run([command("uv"), "lock", "--offline"], cwd=project, check=True, capture_output=True)
    return project


def test_a_lock_that_fits_is_installed(shipped: Path, locked: Path) -> None:
    """The job goes on, with an environment and with the lock as it was."""
    before = (locked / "uv.lock").read_text("utf-8")
    assert script(shipped, "install.sh", cwd=locked, UV_OFFLINE="1").returncode == 0
    assert (locked / ".venv").is_dir()
    assert (locked / "uv.lock").read_text("utf-8") == before


@pytest.mark.parametrize(("fault", "message"), [("missing", "uv.lock is missing"), ("stale", "uv.lock is not usable")])
def test_a_lock_that_does_not_fit_stops_the_job(shipped: Path, locked: Path, fault: str, message: str) -> None:
    """Missing or stale, it is one line with the mend, and no lock is written behind one's back."""
    if fault == "missing":
        (locked / "uv.lock").unlink()
    else:
        replace(locked / "pyproject.toml", ">=3.11", ">=3.10")
    done = script(shipped, "install.sh", cwd=locked, UV_OFFLINE="1")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith(f"##vso[task.logissue type=error]{message}: ")
    assert done.stdout.splitlines()[-1].endswith("Run 'uv lock' and commit uv.lock.")
    assert (locked / "uv.lock").exists() == (fault == "stale")


@pytest.fixture
def signed_in(tmp_path: Path) -> Path:
    """A folder where `az` tells who is signed in and `uv` writes down what it is asked."""
    stand_in(tmp_path, "az", "printf 'client\\ttenant\\tsubscription\\n'")
    names = "$AZURE_CLIENT_ID $AZURE_TENANT_ID $AZURE_SUBSCRIPTION_ID $AZURE_TOKEN_CREDENTIALS"
    stand_in(tmp_path, "uv", f'echo "$*: {names}"; exit "${{CODE:-0}}"')
    return tmp_path


def test_a_task_learns_who_is_signed_in(shipped: Path, signed_in: Path) -> None:
    """The names that tasks read come from the service connection's sign-in; nothing is set by hand."""
    done = script(shipped, "task.sh", cwd=signed_in, TASK="platform-train", NEEDS="", SUMMARY="False")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "run poe platform-train: client tenant subscription AzureCliCredential\n"


@pytest.mark.parametrize("summary", ["True", "False"])
def test_a_task_that_fails_fails_the_step(shipped: Path, signed_in: Path, summary: str) -> None:
    """The exit code is the task's own, also when its text goes into the summary."""
    assert script(shipped, "task.sh", cwd=signed_in, TASK="plum", NEEDS="", SUMMARY=summary, CODE="2").returncode == 2


def test_a_lost_sign_in_fails_the_step(shipped: Path, signed_in: Path) -> None:
    """Without an account nothing is run."""
    stand_in(signed_in, "az", "exit 1")
    done = script(shipped, "task.sh", cwd=signed_in, TASK="plum", NEEDS="", SUMMARY="False")
    assert (done.returncode, done.stdout) == (1, "")


def test_a_plan_becomes_the_summary(shipped: Path, signed_in: Path) -> None:
    """What the task prints is shown as it is, and stays in the log."""
    done = script(shipped, "task.sh", cwd=signed_in, TASK="infra-plan", NEEDS="", SUMMARY="True")
    printed = "run poe infra-plan: client tenant subscription AzureCliCredential\n"
    assert done.stdout == f"{printed}##vso[task.uploadsummary]{signed_in}/infra-plan.md\n"
    assert (signed_in / "infra-plan.md").read_text("utf-8") == f"```text\n{printed}```\n"


def test_a_task_without_its_rows_is_passed_over(shipped: Path, signed_in: Path) -> None:
    """No folder and an empty one are the same; with a file the task runs."""
    asked = {"TASK": "platform-data", "NEEDS": "data/raw", "SUMMARY": "False"}
    passed = "platform-data is passed over: there is no file in data/raw.\n"
    assert script(shipped, "task.sh", cwd=signed_in, **asked).stdout == passed
    (signed_in / "data/raw").mkdir(parents=True)
    assert script(shipped, "task.sh", cwd=signed_in, **asked).stdout == passed
    (signed_in / "data/raw/plums.csv").touch()
    assert script(shipped, "task.sh", cwd=signed_in, **asked).stdout.startswith("run poe platform-data")


def test_a_report_is_shown_and_kept_without_rows(shipped: Path, tmp_path: Path) -> None:
    """The model card is the summary; plots and numbers are kept, rows are not."""
    (tmp_path / "report/plots").mkdir(parents=True)
    for name in ("model_card.md", "metrics.json", "predictions.parquet", "plots/one.png", "plots/rows.parquet"):
        (tmp_path / "report" / name).touch()
    done = script(shipped, "show-report.sh", "report", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        f"##vso[task.uploadsummary]{tmp_path}/report/model_card.md",
        "##vso[task.setvariable variable=report]made",
    ]
    kept = {path.relative_to(tmp_path / "staging/report").as_posix() for path in (tmp_path / "staging").rglob("*.*")}
    assert kept == {"model_card.md", "metrics.json", "plots/one.png"}
    assert (tmp_path / "report/predictions.parquet").exists()


def test_a_missing_report_says_where_to_look(shipped: Path, tmp_path: Path) -> None:
    """Nothing is published, and the step does not hide the failure before it by one of its own."""
    done = script(shipped, "show-report.sh", "report", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("##vso[task.logissue type=warning]No report was written")
    assert "setvariable" not in done.stdout


# --- what people read: plans on pull requests, tasks of Azure Boards about drift


class Service(BaseHTTPRequestHandler):
    """Stands where Azure DevOps would answer, writes down what it was asked, and is told what to answer."""

    answers: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[tuple[str, str, Any]]] = []
    kinds: ClassVar[set[str]] = set()

    def answer(self) -> None:
        """Answer by the end of the path, or as a service that is switched off."""
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        assert (query, self.headers["Authorization"]) == ("api-version=7.1", "Bearer the-token")
        self.asked.append((self.command, path.partition("/_apis/")[2], json.loads(body or "null")))
        self.kinds.add(self.headers.get("Content-Type", ""))
        known = next((value for end, value in self.answers.items() if path.endswith(end)), None)
        self.send_response(404 if known is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(known).encode())

    do_GET = do_PATCH = do_POST = answer  # noqa: N815 - the names that the library gives them

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the library gives it
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[dict[str, str]]:
    """Azure DevOps on this computer: the variables of a run that lead to it."""
    Service.answers, Service.asked, Service.kinds = {}, [], set()
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {
            "SYSTEM_COLLECTIONURI": f"http://127.0.0.1:{server.server_port}/us/",
            "SYSTEM_TEAMPROJECTID": "project",
            "SYSTEM_ACCESSTOKEN": "the-token",
            "BUILD_REPOSITORY_ID": "repository",
            "BUILD_BUILDID": "9",
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
            "SYSTEM_PULLREQUEST_SOURCECOMMITID": "0123456789abcdef",
            "no_proxy": "127.0.0.1",
        }
        server.shutdown()


THREADS = "git/repositories/repository/pullRequests/7/threads"


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    """A folder with the plans of dev and prod, as they are downloaded; staging's has failed."""
    for name in ("dev", "prod"):
        (tmp_path / f"plan-{name}").mkdir()
        (tmp_path / f"plan-{name}/infra-plan.txt").write_text(f"+ plum in {name}\n```\n", "utf-8")
    return tmp_path


def test_each_plan_becomes_a_comment(shipped: Path, plans: Path, service: dict[str, str]) -> None:
    """One an environment, fenced, with the commit and the way to the log; closed, so that no policy waits for an answer."""
    Service.answers = {"/threads": {"value": []}}
    done = script(shipped, "comment.sh", ".", cwd=plans, **service)
    assert done.returncode == 0, done.stderr
    posted = [(path, body) for method, path, body in Service.asked if method == "POST"]
    assert [path for path, _ in posted] == [THREADS] * 2
    run = f"{service['SYSTEM_COLLECTIONURI']}project/_build/results?buildId=9"
    text = (
        "[//]: # (plan for dev)\n\n### Plan for dev\n\n"
        f"What a deployment of 0123456789ab would change. [The run]({run}) has the log.\n\n"
        "```text\n+ plum in dev\n'''\n```\n"
    )
    comments = [{"parentCommentId": 0, "commentType": "text", "content": text}]
    assert posted[0][1] == {"status": "closed", "comments": comments}


def test_the_next_push_changes_the_comment(shipped: Path, plans: Path, service: dict[str, str]) -> None:
    """The first comment of a thread that begins with the mark of this environment; deleted and empty threads are passed over."""
    threads = [
        {"id": 1, "isDeleted": True, "comments": [{"id": 1, "content": "[//]: # (plan for dev)\n"}]},
        {"id": 2, "comments": []},
        {"id": 3, "comments": [{"id": 1}]},
        {"id": 4, "comments": [{"id": 1, "content": "[//]: # (plan for devel)\n"}]},
        {"id": 5, "comments": [{"id": 8, "content": "[//]: # (plan for dev)\nold"}, {"id": 9, "content": "thanks"}]},
        {"id": 6, "comments": [{"id": 1, "content": "[//]: # (plan for dev)\nnewer"}]},
    ]
    Service.answers = {"/threads": {"value": threads}, "/threads/5/comments/8": {}}
    done = script(shipped, "comment.sh", ".", cwd=plans, **service)
    assert done.returncode == 0, done.stderr
    written = [(method, path) for method, path, _ in Service.asked if method != "GET"]
    assert written == [("PATCH", f"{THREADS}/5/comments/8"), ("POST", THREADS)]
    [changed] = [body for method, _, body in Service.asked if method == "PATCH"]
    assert changed.keys() == {"content"} and "+ plum in dev" in changed["content"]


def test_a_refused_comment_fails_the_job(shipped: Path, plans: Path, service: dict[str, str]) -> None:
    """A right that is missing is seen."""
    assert script(shipped, "comment.sh", ".", cwd=plans, **service).returncode != 0


TITLE = "Infrastructure drift in dev"
STATES = [
    {"name": "To Do", "category": "Proposed"},
    {"name": "Done", "category": "Completed"},
    {"name": "Removed", "category": "Removed"},
]


def boards(found: list[dict[str, int]]) -> dict[str, Any]:
    """The answers of Azure Boards, of a project with the process Scrum."""
    return {"/states": {"value": STATES}, "/wiql": {"workItems": found}, "/workitems/%24Task": {}, "/workitems/5": {}}


def drift(shipped: Path, folder: Path, code: str, service: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Keep the task of dev."""
    (folder / "drift.txt").write_text("Modify <plum> & pit\n", "utf-8")
    return script(shipped, "issue.sh", "dev", code, "drift.txt", cwd=folder, **service)


def written() -> tuple[str, str, dict[str, str]]:
    """The one change of a task: method, path and fields."""
    [(method, path, body)] = Service.asked[2:]
    assert "application/json-patch+json" in Service.kinds and {step["op"] for step in body} == {"add"}
    return method, path, {step["path"].removeprefix("/fields/System."): step["value"] for step in body}


def test_drift_opens_one_task(shipped: Path, tmp_path: Path, service: dict[str, str]) -> None:
    """With a fixed title, a tag, and what differs as text that is no HTML; open is what is neither done nor removed."""
    Service.answers = boards([])
    done = drift(shipped, tmp_path, "3", service)
    assert done.returncode == 0, done.stdout + done.stderr
    method, path, fields = written()
    assert (method, path) == ("POST", "wit/workitems/%24Task")
    assert (fields["Title"], fields["Tags"]) == (TITLE, "infrastructure-drift")
    assert fields["Description"].endswith("<pre>Modify &lt;plum&gt; &amp; pit</pre>")
    [query] = [body["query"] for _, path, body in Service.asked if path == "wit/wiql"]
    assert query.endswith("[System.State] <> 'Done' AND [System.State] <> 'Removed'") and f"= '{TITLE}'" in query


def test_drift_that_lasts_changes_its_task(shipped: Path, tmp_path: Path, service: dict[str, str]) -> None:
    """A second night opens no second task."""
    Service.answers = boards([{"id": 5}])
    assert drift(shipped, tmp_path, "3", service).returncode == 0
    method, path, fields = written()
    assert (method, path) == ("PATCH", "wit/workitems/5") and "Description" in fields


def test_drift_that_is_gone_closes_its_task(shipped: Path, tmp_path: Path, service: dict[str, str]) -> None:
    """With a word, in the state that this process calls finished; where none is open, nothing is done."""
    Service.answers = boards([{"id": 5}])
    assert drift(shipped, tmp_path, "0", service).returncode == 0
    method, path, fields = written()
    assert (method, path, fields["State"]) == ("PATCH", "wit/workitems/5", "Done")
    assert fields["History"].startswith("The drift is gone: http")
    Service.answers, Service.asked = boards([]), []
    assert drift(shipped, tmp_path, "0", service).returncode == 0
    assert len(Service.asked) == 2


@pytest.mark.parametrize(("code", "ends", "kind"), [("3", 1, "error"), ("0", 0, "warning")])
def test_without_azure_boards_a_drift_fails_the_run(
    shipped: Path, tmp_path: Path, service: dict[str, str], code: str, ends: int, kind: str
) -> None:
    """Somebody must learn of a drift; where there is none, a word in the log is enough."""
    done = drift(shipped, tmp_path, code, service)
    assert done.returncode == ends
    [line] = done.stdout.splitlines()
    assert line.startswith(f"##vso[task.logissue type={kind}]") and "docs/ci.md, section 6" in line


@pytest.mark.parametrize(("code", "answer", "ends"), [("0", "3", 0), ("3", "3", 0), ("2", "3", 2), ("3", "", 3)])
def test_an_exit_code_can_be_an_answer(shipped: Path, signed_in: Path, code: str, answer: str, ends: int) -> None:
    """The code that the step names is handed on like 0; any other one fails the step."""
    asked = {"TASK": "infra-drift", "NEEDS": "", "SUMMARY": "True", "CODE": code, "ANSWER": answer}
    done = script(shipped, "task.sh", cwd=signed_in, **asked)
    assert done.returncode == ends
    handed = [f"##vso[task.setvariable variable=code]{code}"] if answer and not ends else []
    assert [line for line in done.stdout.splitlines() if "setvariable" in line] == handed


# --- the script of docs/ci.md


@pytest.fixture
def page(shipped: Path) -> str:
    """The one script of docs/ci.md, which makes the pipelines, with `taxi` as the name."""
    (found,) = ci_page.scripts((shipped / "docs/ci.md").read_text("utf-8"))
    return found.replace("NAME=name-in-azuredevops-templates-names-yml", "NAME=taxi")


def test_the_script_of_the_page_is_sound_shell(page: str) -> None:
    """shellcheck finds nothing in what a reader saves and runs."""
    assert ci_page.shellcheck(command("shellcheck"), page) == ""


def test_an_unedited_script_does_nothing(shipped: Path, tmp_path: Path) -> None:
    """A blank that nobody filled in is no shell, so the script ends before its first call."""
    (text,) = ci_page.BLOCK.findall((shipped / "docs/ci.md").read_text("utf-8"))
    trial = ci_page.tried(text, tmp_path, {}, "az")
    assert trial.code != 0 and trial.calls == []


def test_the_page_makes_every_pipeline(page: str, tmp_path: Path) -> None:
    """One of each file, none of which runs at once; ci and infra then check pull requests to main."""
    trial = ci_page.tried(page, tmp_path, {"pipelines create": "7", "repos show": "r"}, "az")
    assert trial.code == 0, trial.errors
    made = trial.called("az", "pipelines", "create")
    assert {option(call, "--yml-path") for call in made} == {f".azuredevops/{name}.yml" for name in PIPELINES}
    assert {option(call, "--skip-first-run") for call in made} == {"true"}
    policies = trial.called("az", "repos", "policy", "build", "create")
    assert [option(call, "--display-name") for call in policies] == ["ci", "infra"]
    assert {(option(call, "--branch"), option(call, "--blocking")) for call in policies} == {("main", "true")}
