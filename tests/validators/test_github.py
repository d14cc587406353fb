"""GitHub files, ours and the ones we ship, pass the same tools and the same rules.

Every test works on a copy in a folder of its own, so that the negative tests can break a file and see the
checker turn red: without them, a checker that reads nothing looks like one that finds nothing. What no tool
knows (which actions are trusted, that an identity needs an environment, that a workflow never names a project
type) is a rule in this file.
"""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Matrix
from tools import command

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PINS = tomllib.loads((HERE / "action_pins.toml").read_text("utf-8"))
USES = re.compile(r"^\s*(?:- )?uses:\s*(\S+)(?:\s+#\s*(\S+))?\s*$", re.MULTILINE)
# Values of the answers that a shipped workflow must not know, those of later releases included.
UNKNOWN_TO_CI = re.compile(
    r"\b(classical|cv|nlp|rag|classification|regression|aml|databricks|machine learning|bicep|terraform)\b",
    re.IGNORECASE,
)
# Rights to write what people read, and the only scripts that have the token for it.
READ_BY_PEOPLE = {"issues", "pull-requests"}
WITH_TOKEN = re.compile(r"bash \.github/scripts/(comment|issue)\.sh .*")
CHOSEN_RUNNER = "${{ vars.RUNNER || 'ubuntu-24.04' }}"
SCHEMAS = {
    "vendor.github-workflows": ".github/workflows/*.yml",
    "vendor.dependabot": ".github/dependabot.yml",
    "vendor.github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
    "vendor.github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
}


# --- what is checked


@pytest.fixture
def shipped(matrix: Matrix, tmp_path: Path) -> Path:
    """A repository that holds only the files which a made project has for GitHub and for commits."""
    folder = tmp_path / "shipped"
    for file in matrix.unique(".github/**/*", ".pre-commit-config.yaml", "docs/ci.md"):
        if not any("github" in variant for variant in file.variants):
            continue
        target = folder / file.relative
        assert not target.exists(), f"{file.relative} differs between variants; CI files are the same in all"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.content, "utf-8")
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A repository that holds only our own files for GitHub and for commits."""
    shutil.copytree(ROOT / ".github", tmp_path / "own/.github")
    shutil.copy(ROOT / ".pre-commit-config.yaml", tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture(params=["own", "shipped"])
def repository(request: pytest.FixtureRequest) -> Path:
    """Each of the two in turn."""
    folder = request.getfixturevalue(request.param)
    assert isinstance(folder, Path)
    return folder


def workflows(repository: Path) -> list[Path]:
    """All workflow files; a repository without any is an error."""
    found = sorted((repository / ".github/workflows").iterdir())
    assert found, f"no workflow in {repository}"
    return found


def scripts(repository: Path) -> list[Path]:
    """All shell scripts that workflows call; none is an error."""
    found = sorted((repository / ".github/scripts").glob("*.sh"))
    assert found, f"no script in {repository}"
    return found


def replace(file: Path, old: str, new: str) -> None:
    """Break a file on purpose; the old text must be there, or the test would prove nothing."""
    text = file.read_text("utf-8")
    assert old in text, f"{file.name} no longer holds {old!r}: choose another fault"
    file.write_text(text.replace(old, new, 1), "utf-8")


def run(*command: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command with its output captured; `env` is added to the environment."""
    return subprocess.run(command, cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False)


def actionlint(repository: Path) -> list[str]:
    """Findings of actionlint, shell of the `run` steps included, one a line."""
    options = ["-oneline", "-no-color", f"-shellcheck={command('shellcheck')}"]
    done = run(command("actionlint"), *options, *workflows(repository), cwd=repository)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines()


def zizmor(repository: Path) -> list[str]:
    """Findings of zizmor at its strictest useful setting, as `rule: file`; all files must have been read."""
    options = ["--offline", "--persona=pedantic", "--strict-collection", "--format=json", "--no-exit-codes"]
    done = run(command("zizmor"), *options, ".", cwd=repository)
    assert done.returncode == 0, done.stderr
    unread = [file.name for file in workflows(repository) if f"workflows/{file.name}" not in done.stderr]
    assert not unread, f"zizmor passed over {unread}"
    return [f"{found['ident']}: {found['desc']}" for found in json.loads(done.stdout)]


def schema_errors(repository: Path, schema: str) -> str:
    """What one of GitHub's own schemas says about the files that it describes; empty when all is well."""
    files = sorted(repository.glob(SCHEMAS[schema]))
    assert files, f"{schema} has nothing to check in {repository}"
    done = run(command("check-jsonschema"), "--builtin-schema", schema, *files, cwd=repository)
    return done.stdout + done.stderr if done.returncode else ""


def shellcheck(repository: Path) -> str:
    """What shellcheck says about the scripts; empty when all is well."""
    return run(command("shellcheck"), *scripts(repository), cwd=repository).stdout


def test_actionlint_finds_nothing(repository: Path) -> None:
    """Expressions, job graphs, inputs of actions and shell are right."""
    assert actionlint(repository) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("needs: plan", "needs: plam", "plam"),
        ("matrix.environment }}", "matrix.enviroment }}", "enviroment"),
        ("id-token: write", "id-tokens: write", "id-tokens"),
        ('"$RUNNER_TEMP/outputs.txt"', "$RUNNER_TEMP/outputs.txt", "SC2086"),
    ],
)
def test_actionlint_turns_red(shipped: Path, old: str, new: str, finding: str) -> None:
    """A dangling job, a misspelt value, a misspelt permission and unquoted shell are each found."""
    replace(shipped / ".github/workflows/infra.yml", old, new)
    assert any(finding in line for line in actionlint(shipped))


def test_zizmor_finds_nothing(repository: Path) -> None:
    """No finding in the pedantic persona, in workflows, Dependabot and the commit hooks."""
    assert zizmor(repository) == []


def test_no_finding_is_ignored(repository: Path) -> None:
    """Nothing is silenced: no ignore comment, no configuration that switches a rule off."""
    text = "".join(file.read_text("utf-8") for file in (repository / ".github").rglob("*") if file.is_file())
    assert re.findall("zizmor: *ignore|shellcheck +disable", text) == []
    assert [*repository.rglob("zizmor.y*ml"), *repository.rglob("actionlint.y*ml")] == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("        with:\n          persist-credentials: false\n", "", "artipacked"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "unpinned-uses"),
        ("run: uv run poe lint", "run: echo ${{ github.event.pull_request.title }}", "template-injection"),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
    ],
)
def test_zizmor_turns_red(shipped: Path, old: str, new: str, finding: str) -> None:
    """Kept credentials, a moving tag, injected text, broad rights and a dangerous trigger are each found."""
    replace(shipped / ".github/workflows/ci.yml", old, new)
    assert any(line.startswith(finding) for line in zizmor(shipped))


@pytest.mark.parametrize("schema", SCHEMAS)
def test_our_files_fit_the_schemas(own: Path, schema: str) -> None:
    """Our workflows, Dependabot and issue forms have the shape that GitHub publishes."""
    assert schema_errors(own, schema) == ""


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "vendor.dependabot"])
def test_shipped_files_fit_the_schemas(shipped: Path, schema: str) -> None:
    """So do the workflows and Dependabot of a made project."""
    assert schema_errors(shipped, schema) == ""


@pytest.mark.parametrize(
    ("schema", "file", "old", "new"),
    [
        ("vendor.github-workflows", "workflows/ci.yml", "timeout-minutes:", "timeout-minute:"),
        ("vendor.dependabot", "dependabot.yml", "interval: weekly", "interval: sometimes"),
        ("vendor.github-issue-forms", "ISSUE_TEMPLATE/bug.yml", "type: textarea", "type: essay"),
        ("vendor.github-issue-config", "ISSUE_TEMPLATE/config.yml", "_enabled: true", "_enabled: perhaps"),
    ],
)
def test_the_schemas_turn_red(own: Path, schema: str, file: str, old: str, new: str) -> None:
    """A misspelt key and a value that does not exist are found by every schema in use."""
    replace(own / ".github" / file, old, new)
    assert Path(file).name in schema_errors(own, schema)


def test_shellcheck_finds_nothing(repository: Path) -> None:
    """The scripts beside the workflows are sound shell."""
    assert shellcheck(repository) == ""


def test_shellcheck_turns_red(own: Path) -> None:
    """An unquoted expansion in a script is found."""
    replace(own / ".github/scripts/release-notes.sh", "version=${1#v}", "version=${1#v}; echo $version $1")
    assert "SC2086" in shellcheck(own)


# --- pins


def pin_errors(repository: Path) -> Iterator[str]:
    """Every `uses:` that is not exactly the pin of the table, and every tool that is not at its version."""
    for file in workflows(repository):
        text = file.read_text("utf-8")
        for used, comment in USES.findall(text):
            pin = PINS["actions"].get(used.partition("@")[0])
            if pin is None or (used.partition("@")[2], comment) != (pin["commit"], pin["version"]):
                yield f"{file.name}: {used} # {comment} is not in action_pins.toml"
        for name, version in tool_versions(text):
            if version != PINS["tools"].get(name):
                yield f"{file.name}: {name} {version} is not in action_pins.toml"


def tool_versions(workflow: str) -> Iterator[tuple[str, str]]:
    """Name and version of every tool that a workflow fetches; a version left open is an empty string."""
    yield from re.findall(r"\buvx (?:--\S+ )*([a-z][a-z-]*)(?:==(\S+))?", workflow)
    for step in re.findall(r"uses: astral-sh/setup-uv@.*\n((?: {8,}.*\n)*)", workflow):
        found = re.search(r'^ +version: "(.*)"$', step, re.MULTILINE)
        yield "uv", found[1] if found else ""


def test_actions_are_the_pinned_ones(repository: Path) -> None:
    """Ours and theirs use the same few actions, each by commit, with the version beside it."""
    assert list(pin_errors(repository)) == []


def test_no_pin_is_left_over(own: Path, shipped: Path) -> None:
    """The table holds nothing that no workflow uses, and the regular expression sees every `uses:`."""
    text = "".join(file.read_text("utf-8") for folder in (own, shipped) for file in workflows(folder))
    assert {used.partition("@")[0] for used, _ in USES.findall(text)} == set(PINS["actions"])
    assert {name for name, _ in tool_versions(text)} == set(PINS["tools"])
    assert len(USES.findall(text)) == text.count("uses:")


def test_ci_audits_with_the_zizmor_of_these_tests() -> None:
    """The version that workflows call is the one that has just found nothing here."""
    assert importlib.metadata.version("zizmor") == PINS["tools"]["zizmor"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("3d3c42e5aac5ba805825da76410c181273ba90b1", "0" * 40),
        ("# v7.0.1", "# v7.0.0"),
        ("actions/checkout@", "someone/checkout@"),
        ('version: "0.13.8"', 'version: "latest"'),
        ('          version: "0.13.8"\n', "          quiet: true\n"),
        ("zizmor==1.32.0", "zizmor"),
    ],
)
def test_a_wrong_pin_is_found(shipped: Path, old: str, new: str) -> None:
    """Another commit, another version, another owner and an open version are each found."""
    replace(shipped / ".github/workflows/ci.yml", old, new)
    assert len(list(pin_errors(shipped))) == 1


# --- rules of our own


def violations(file: Path) -> list[str]:
    """What a workflow does against the rules of this template, one line each."""
    text = file.read_text("utf-8")
    workflow = yaml.safe_load(text)
    found = [*workflow_violations(workflow, text)]
    for name, job in workflow["jobs"].items():
        found += [f"{name}: {line}" for line in job_violations(job)]
        found += [f"{name}: {line}" for step in job["steps"] for line in step_violations(step)]
    return found


def workflow_violations(workflow: Mapping[Any, Any], text: str) -> Iterator[str]:
    """Rules for the file as a whole. PyYAML reads the key `on` as true."""
    if workflow.get("permissions") != {}:
        yield "permissions at the top are not {}"
    if re.search(r"\bsecrets\s*[.\[]", text):
        yield "reads a secret"
    if {"pull_request_target", "workflow_run"} & set(workflow[True]):
        yield "runs with rights on code that nobody has read"


def job_violations(job: Mapping[str, Any]) -> Iterator[str]:
    """Rules for a job."""
    if not isinstance(job.get("timeout-minutes"), int):
        yield "has no timeout"
    # Where Azure is reached from, a private network decides; elsewhere it is a machine that GitHub lends.
    if job.get("runs-on") != (CHOSEN_RUNNER if "id-token" in job.get("permissions", {}) else "ubuntu-24.04"):
        yield "does not run on ubuntu-24.04, or where the repository says"
    if not job.get("permissions"):
        yield "does not say its permissions"
    if "id-token" in job.get("permissions", {}) and "environment" not in job:
        yield "may sign in without an environment"
    if "write" in {right for name, right in job.get("permissions", {}).items() if name in READ_BY_PEOPLE}:
        yield from token_violations(job)
    if not job.get("name"):
        yield "has no name"


def token_violations(job: Mapping[str, Any]) -> Iterator[str]:
    """Rules for a job that writes what people read: only the script for it sees the token, and on a pull request it is main's."""
    on_request = "pull-requests" in job["permissions"]
    if on_request and ("environment" in job or "poe" in json.dumps(job["steps"])):
        yield "runs a task or signs in beside the right to comment"
    for step in job["steps"]:
        if on_request and "checkout" in str(step.get("uses")) and "base.sha" not in step.get("with", {}).get("ref", ""):
            yield "runs code of the pull request with the right to comment"
        if "GH_TOKEN" in step.get("env", {}) and not WITH_TOKEN.fullmatch(step.get("run", "")):
            yield f"hands the token to {step.get('run')!r}"


def step_violations(step: Mapping[str, Any]) -> Iterator[str]:
    """Rules for a step."""
    if not step.get("name"):
        yield f"a step has no name: {step}"
    if "${{" in step.get("run", ""):
        yield "an expression stands inside a script; pass it through env"
    action, given = str(step.get("uses", "")).partition("@")[0], step.get("with", {})
    if action == "actions/checkout" and given.get("persist-credentials") is not False:
        yield "keeps the credentials of the checkout"
    if wrong := set(given) - set(PINS["actions"].get(action, {}).get("inputs", [])):
        yield f"gives {action} inputs that action_pins.toml does not know: {sorted(wrong)}"


def test_workflows_keep_the_rules(repository: Path) -> None:
    """Least permissions, no secret, a timeout, an environment around every identity, names in plain words."""
    assert {file.name: violations(file) for file in workflows(repository)} == {
        file.name: [] for file in workflows(repository)
    }


@pytest.mark.parametrize(
    ("old", "new", "violation"),
    [
        ("permissions: {}", "permissions: {contents: read}", "not {}"),
        ("${{ vars.AZURE_CLIENT_ID }}", "${{ secrets.AZURE_CLIENT_ID }}", "secret"),
        ("  pull_request:\n", "  pull_request_target:\n", "nobody has read"),
        ("    timeout-minutes: 30\n", "", "timeout"),
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-latest", "ubuntu-24.04"),
        ("    environment: plan-${{ matrix.environment }}\n", "", "without an environment"),
        ("    name: Plan for ${{ matrix.environment }}\n", "", "no name"),
        ("      - name: Check out\n        uses:", "      - uses:", "a step has no name"),
        ("run: uv run poe infra-deploy", "run: echo ${{ inputs.environment }}", "inside a script"),
        ("persist-credentials: false", "persist-credentials: true", "keeps the credentials"),
        ("tenant-id:", "tenant:", "azure/login inputs"),
        (" ${{ vars.RUNNER || 'ubuntu-24.04' }}", " ubuntu-24.04", "where the repository says"),
        ("base.sha", "head.sha", "code of the pull request"),
        ("run: bash .github/scripts/comment.sh", "run: bash comment.sh", "hands the token"),
        ("run: bash .github/scripts/comment.sh plans", "run: uv run poe lint", "runs a task"),
    ],
)
def test_a_broken_rule_is_found(shipped: Path, old: str, new: str, violation: str) -> None:
    """Each rule sees the file that breaks it."""
    file = shipped / ".github/workflows/infra.yml"
    replace(file, old, new)
    assert any(violation in line for line in violations(file))


def test_workflows_know_no_project_type_platform_or_infrastructure_language(shipped: Path) -> None:
    """A CI file signs in and calls tasks; what is learnt, where and in which language is not its matter."""
    texts = {file.name: file.read_text("utf-8") for file in (shipped / ".github").rglob("*") if file.is_file()}
    named = {name: found for name, text in texts.items() if (found := UNKNOWN_TO_CI.findall(text))}
    assert named == {"settings.sh": ["DATABRICKS"]}  # a prefix of variables, the one place that lists them
    assert UNKNOWN_TO_CI.findall("az bicep build of Databricks") == ["bicep", "Databricks"]


def test_environments_are_the_ones_with_a_configuration(shipped: Path, matrix: Matrix) -> None:
    """Each environment that a workflow offers has its file in config/, and the other way round."""
    for name in ("train.yml", "score.yml", "infra.yml"):
        triggers = yaml.safe_load((shipped / ".github/workflows" / name).read_text("utf-8"))[True]
        offered = set(triggers["workflow_dispatch"]["inputs"]["environment"]["options"])
        for project in matrix.projects.values():
            configured = {file.stem for file in (project / "config").glob("*.yml")}
            assert offered == configured - {"base", "sweep"}


def test_ci_runs_every_nox_session(own: Path) -> None:
    """Only the benchmark is left to people, because a shared machine measures nothing."""
    ci = yaml.safe_load((own / ".github/workflows/ci.yml").read_text("utf-8"))
    in_ci = ci["jobs"]["nox"]["strategy"]["matrix"]["session"]
    release = (own / ".github/workflows/release.yml").read_text("utf-8")
    assert set(in_ci) == nox_sessions() - {"benchmark"}
    assert f"--session {' '.join(in_ci)}\n" in release


def nox_sessions() -> set[str]:
    """Names of the functions in noxfile.py that are decorated as sessions."""
    module = ast.parse((ROOT / "noxfile.py").read_text("utf-8"))
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    return {node.name for node in functions if "session" in " ".join(map(ast.unparse, node.decorator_list))}


# --- scripts that workflows call, run as a job runs them


def script(repository: Path, name: str, *arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script of `.github/scripts` with GitHub's files for outputs and summary in `cwd`."""
    files = {"GITHUB_OUTPUT": str(cwd / "output"), "GITHUB_STEP_SUMMARY": str(cwd / "summary")}
    path = os.pathsep.join([str(cwd / "bin"), str(Path(command("uv")).parent), os.environ["PATH"]])
    file = repository / ".github/scripts" / name
    return run("bash", file, *arguments, cwd=cwd, **{**files, "PATH": path, **env})


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A project without dependencies, so that locking it needs no network, with its lock."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "plums"\nversion = "1"\nrequires-python = ">=3.11"\n', "utf-8"
    )
    assert run(command("uv"), "lock", "--offline", cwd=project).returncode == 0
    return project


def test_a_lock_that_fits_is_installed(shipped: Path, locked: Path) -> None:
    """The job goes on, with an environment and with the lock as it was."""
    before = (locked / "uv.lock").read_text("utf-8")
    assert script(shipped, "install.sh", cwd=locked, UV_OFFLINE="1").returncode == 0
    assert (locked / ".venv").is_dir()
    assert (locked / "uv.lock").read_text("utf-8") == before


def test_a_missing_lock_stops_the_job(shipped: Path, locked: Path) -> None:
    """A repository that never committed its lock gets one line with the mend, and no lock behind its back."""
    (locked / "uv.lock").unlink()
    done = script(shipped, "install.sh", cwd=locked, UV_OFFLINE="1")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("::error title=uv.lock is missing::")
    assert "Run 'uv lock' and commit uv.lock." in done.stdout
    assert not (locked / "uv.lock").exists()


def test_a_stale_lock_stops_the_job(shipped: Path, locked: Path) -> None:
    """A lock made for another pyproject.toml is refused with the same mend."""
    replace(locked / "pyproject.toml", ">=3.11", ">=3.10")
    done = script(shipped, "install.sh", cwd=locked, UV_OFFLINE="1")
    assert done.returncode == 1
    assert "Run 'uv lock' and commit uv.lock." in done.stdout.splitlines()[-1]


SIGN_IN = {"AZURE_CLIENT_ID": "us", "AZURE_TENANT_ID": "here", "AZURE_SUBSCRIPTION_ID": "ours"}


def settings(shipped: Path, folder: Path, need: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Hand the variables of the environment `staging` over, as a workflow does."""
    files = {"GITHUB_ENV": str(folder / "env"), "VARIABLES": json.dumps(variables)}
    return script(shipped, "settings.sh", need, "staging", cwd=folder, **files)


def test_a_configured_environment_is_ready(shipped: Path, tmp_path: Path) -> None:
    """With a sign-in the later steps may run, and nothing is said."""
    done = settings(shipped, tmp_path, "required", SIGN_IN)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "output").read_text("utf-8") == "ready=true\n"


def test_variables_reach_the_tasks_by_prefix(shipped: Path, tmp_path: Path) -> None:
    """What a platform needs is handed over by its name; what a shell or the runner would obey is not."""
    handed = {**SIGN_IN, "AZURE_PLUM": "a=b $(c) `d` 'e'", "DATABRICKS_HOST": "https://plums"}
    kept = {
        "PATH": "/evil",
        "BASH_ENV": "evil",
        "GITHUB_ENV": "evil",
        "MY_AZURE_PLUM": "1",
        "AZURE": "1",
        "azure_plum": "1",
    }
    assert settings(shipped, tmp_path, "required", {**kept, **handed}).returncode == 0
    lines = (tmp_path / "env").read_text("utf-8").splitlines()
    assert sorted(lines) == sorted(f"{name}={value}" for name, value in handed.items())


@pytest.mark.parametrize("value", ["one\nPATH=/evil", "one\rtwo", "one\n"])
def test_a_variable_of_several_lines_is_refused(shipped: Path, tmp_path: Path, value: str) -> None:
    """A second line would be a variable of any name; nothing at all is handed over then."""
    done = settings(shipped, tmp_path, "optional", {**SIGN_IN, "AZURE_PLUM": value, "DATABRICKS_HOST": "x\ny"})
    assert done.returncode == 1
    assert done.stdout == (
        "::error title=A variable has several lines::In 'staging' the value of AZURE_PLUM DATABRICKS_HOST must be one line.\n"
    )
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize(("need", "code", "mark"), [("required", 1, "::error"), ("optional", 0, "::notice")])
def test_a_missing_sign_in_is_named(shipped: Path, tmp_path: Path, need: str, code: int, mark: str) -> None:
    """A required one ends the job, an optional one is passed over; both name what is missing and its environment."""
    done = settings(shipped, tmp_path, need, {**SIGN_IN, "AZURE_TENANT_ID": ""})
    assert done.returncode == code
    assert done.stdout.startswith(mark)
    assert "'staging' has no value for AZURE_TENANT_ID." in done.stdout
    assert "'staging' has no value for AZURE_TENANT_ID." in (tmp_path / "summary").read_text("utf-8")
    assert (tmp_path / "output").read_text("utf-8") == "ready=false\n"


def test_an_environment_without_variables_is_not_ready(shipped: Path, tmp_path: Path) -> None:
    """GitHub makes an environment by itself when a workflow names it; all that is missing is named at once."""
    done = settings(shipped, tmp_path, "optional", {})
    assert "has no value for AZURE_CLIENT_ID AZURE_TENANT_ID AZURE_SUBSCRIPTION_ID." in done.stdout


def test_the_model_card_becomes_the_summary(shipped: Path, tmp_path: Path) -> None:
    """A report is shown; without one the summary says where to look."""
    assert script(shipped, "show-report.sh", "report", cwd=tmp_path).returncode == 0
    assert "No report was written" in (tmp_path / "summary").read_text("utf-8")
    (tmp_path / "report").mkdir()
    (tmp_path / "report/model_card.md").write_text("# Plums\n", "utf-8")
    assert script(shipped, "show-report.sh", "report", cwd=tmp_path).returncode == 0
    assert (tmp_path / "summary").read_text("utf-8").endswith("# Plums\n")


class Issuer(BaseHTTPRequestHandler):
    """Stands where GitHub's token service would answer, and repeats what it was asked."""

    def do_GET(self) -> None:
        body = json.dumps({"value": f"{self.path} {self.headers['Authorization']}"}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def issuer() -> Iterator[HTTPServer]:
    """A token service on this computer."""
    with HTTPServer(("127.0.0.1", 0), Issuer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def stay_signed_in(shipped: Path, folder: Path, port: int, az: str) -> subprocess.CompletedProcess[str]:
    """Stay signed in for two waits, with a stand-in of `az`."""
    programs = {"az": az, "sleep": 'echo "$1" >> waits; test "$(wc -l < waits)" -le 2'}
    (folder / "bin").mkdir()
    for name, body in programs.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        (folder / "bin" / name).chmod(0o755)
    job = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{port}/token?v=1",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "right",
        "no_proxy": "127.0.0.1",
    }
    return script(shipped, "stay-signed-in.sh", cwd=folder, **SIGN_IN, **job)


def test_the_sign_in_is_renewed_with_a_fresh_token(shipped: Path, tmp_path: Path, issuer: HTTPServer) -> None:
    """Before Azure forgets, it asks for a token that is meant for Azure, with the job's own right, and hands it to `az login`."""
    done = stay_signed_in(shipped, tmp_path, issuer.server_port, 'printf "%s\\n" "$@" > asked')
    assert done.stderr == ""
    assert (tmp_path / "waits").read_text("utf-8").splitlines() == ["240"] * 3
    asked = (tmp_path / "asked").read_text("utf-8").splitlines()
    assert asked[:2] == ["login", "--service-principal"]
    assert asked[-6:-2] == ["--username", "us", "--tenant", "here"]
    assert asked[-1] == "/token?v=1&audience=api://AzureADTokenExchange Bearer right"


def test_a_failed_renewal_is_tried_again(shipped: Path, tmp_path: Path, issuer: HTTPServer) -> None:
    """A token service or Azure that does not answer once does not end the renewals."""
    done = stay_signed_in(shipped, tmp_path, issuer.server_port, "exit 1")
    assert done.stdout == "not signed in again, next try in four minutes\n" * 2
    (tmp_path / "second").mkdir()
    done = stay_signed_in(shipped, tmp_path / "second", 9, "touch signed-in")
    assert done.stdout == "not signed in again, next try in four minutes\n" * 2
    assert not (tmp_path / "second/signed-in").exists()


# --- what people read: plans on pull requests, issues about drift

SHOWN = """
  ~ resource "plum" "pit" {
      + primary_access_key        = "stone"
      + "clientSecret": "stone"
      ~ properties.adminPassword: "stone" => "kernel"
        shared_access_key_enabled = false
        key_vault_id              = "/subscriptions/s"
        address = "https://plums/?sv=1&sig=stone%3D&se=2"
```
</details> ![](https://evil) \x1b[31mred\x07
"""
CLEANED = """
  ~ resource "plum" "pit" {
      + primary_access_key        = (hidden)
      + "clientSecret": (hidden)
      ~ properties.adminPassword: (hidden)
        shared_access_key_enabled = false
        key_vault_id              = "/subscriptions/s"
        address = "https://plums/?sv=1&sig=(hidden)&se=2"
'''
</details> ![](https://evil) [31mred
"""


def test_a_shown_text_holds_no_secret_and_cannot_leave_its_block(shipped: Path, tmp_path: Path) -> None:
    """What is called a secret is hidden, no line can end the block, and nothing reaches a terminal."""
    (tmp_path / "plan.txt").write_text(SHOWN, "utf-8")
    assert script(shipped, "clean.sh", "plan.txt", cwd=tmp_path).stdout == CLEANED


def test_a_shown_text_fits_into_a_comment(shipped: Path, tmp_path: Path) -> None:
    """A long text is cut at the end of a line, never inside a letter, and says so; bytes that are no text are left out."""
    (tmp_path / "plan.txt").write_bytes(("ä" * 40 + "\n").encode() * 2000 + b"\xff\n")
    done = script(shipped, "clean.sh", "plan.txt", cwd=tmp_path)
    *lines, last = done.stdout.splitlines()
    assert last == "(cut here, the rest is in the log of the run)"
    assert set(lines) == {"ä" * 40} and len(lines) == 60000 // 81
    (tmp_path / "plan.txt").write_bytes(b"plum\xff pit\n")
    assert script(shipped, "clean.sh", "plan.txt", cwd=tmp_path).stdout == "plum pit\n"


# Writes down how it was called; answers a question with `answers`, through the filter that the real one would use.
GH = """#!{python}
import json, pathlib, subprocess, sys
with open("calls", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if "--jq" in sys.argv:
    query = sys.argv[sys.argv.index("--jq") + 1]
    subprocess.run(["jq", "--raw-output", query], input=pathlib.Path("answers").read_text(), text=True, check=True)
if pathlib.Path("broken").exists():
    sys.exit("gh: 403")
"""


def gh(folder: Path, answers: list[dict[str, Any]]) -> None:
    """Put a stand-in of `gh` where scripts find it, which knows these comments or issues."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin/gh").write_text(GH.replace("{python}", sys.executable), "utf-8")
    (folder / "bin/gh").chmod(0o755)
    (folder / "answers").write_text(json.dumps(answers), "utf-8")
    (folder / "calls").unlink(missing_ok=True)


def gh_calls(folder: Path) -> list[list[str]]:
    """How `gh` was called, questions left out."""
    calls = [json.loads(line) for line in (folder / "calls").read_text("utf-8").splitlines()]
    return [call for call in calls if "--jq" not in call]


def comment(shipped: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Show the plans in `plans` on pull request 7."""
    job = {"GITHUB_REPOSITORY": "us/here", "REQUEST": "7", "COMMIT": "0123456789abcdef", "RUN": "https://run"}
    return script(shipped, "comment.sh", "plans", cwd=folder, **job)


@pytest.fixture
def plans(tmp_path: Path) -> Path:
    """A folder with the plans of dev and prod; staging is not configured."""
    (tmp_path / "plans").mkdir()
    for name in ("dev", "prod"):
        (tmp_path / f"plans/plan-{name}.txt").write_text(f"+ plum in {name}\n```\n", "utf-8")
    return tmp_path


def test_each_plan_becomes_a_comment(shipped: Path, plans: Path) -> None:
    """One a configured environment, fenced, with the commit and the way to the log."""
    gh(plans, [])
    done = comment(shipped, plans)
    assert done.returncode == 0, done.stderr
    assert gh_calls(plans) == [
        f"api --silent --method POST repos/us/here/issues/7/comments --field body=@plans/plan-{name}.txt.md".split()
        for name in ("dev", "prod")
    ]
    assert (plans / "plans/plan-dev.txt.md").read_text("utf-8") == (
        "[//]: # (plan for dev)\n\n### Plan for dev\n\n"
        "What a deployment of 0123456789ab would change. [The run](https://run) has the log.\n\n"
        "```text\n+ plum in dev\n'''\n```\n"
    )


def test_the_next_push_changes_the_comment(shipped: Path, plans: Path) -> None:
    """The one that a workflow has made for this environment, the oldest if there are two; never a person's."""
    ours, person = {"login": "github-actions[bot]"}, {"login": "somebody"}
    known = [
        {"id": 1, "user": person, "body": "[//]: # (plan for dev)\n"},
        {"id": 2, "user": ours, "body": "[//]: # (plan for devel)\n"},
        {"id": 3, "user": ours, "body": "[//]: # (plan for dev)\nold"},
        {"id": 4, "user": ours, "body": "[//]: # (plan for dev)\nnewer"},
        {"id": 5, "user": ours, "body": "see [//]: # (plan for prod)"},
    ]
    gh(plans, known)
    assert comment(shipped, plans).returncode == 0
    assert [call[2:5] for call in gh_calls(plans)] == [
        ["--method", "PATCH", "repos/us/here/issues/comments/3"],
        ["--method", "POST", "repos/us/here/issues/7/comments"],
    ]


def test_a_pull_request_without_plans_gets_no_comment(shipped: Path, tmp_path: Path) -> None:
    """Nothing is asked when no environment is configured, nor for a file that is called otherwise."""
    gh(tmp_path, [])
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans/plan-$(evil).txt").touch()
    assert comment(shipped, tmp_path).returncode == 0
    assert not (tmp_path / "calls").exists()


def test_a_refused_comment_fails_the_job(shipped: Path, plans: Path) -> None:
    """A right that is missing is seen."""
    gh(plans, [])
    (plans / "broken").touch()
    assert comment(shipped, plans).returncode != 0


TITLE = "Infrastructure drift in dev"
ISSUES = [{"number": 4, "title": f"{TITLE} and prod"}, {"number": 5, "title": TITLE}]


def issue(shipped: Path, folder: Path, code: str) -> list[list[str]]:
    """Keep the issue of dev, and return how `gh` was called for that."""
    (folder / "drift.txt").write_text("Modify plum\n", "utf-8")
    done = script(shipped, "issue.sh", "dev", code, "drift.txt", cwd=folder, RUN="https://run")
    assert done.returncode == 0, done.stderr
    return gh_calls(folder)


def test_drift_opens_one_issue(shipped: Path, tmp_path: Path) -> None:
    """With a fixed title, a label that is made where it is missing, and what differs."""
    gh(tmp_path, ISSUES[:1])
    label, made = issue(shipped, tmp_path, "3")
    assert label[:4] == ["label", "create", "infrastructure-drift", "--force"]
    assert made == ["issue", "create", "--title", TITLE, "--label", label[2], "--body-file", "drift.txt.md"]
    body = (tmp_path / "drift.txt.md").read_text("utf-8")
    assert "[this run](https://run)" in body and body.endswith("\n```text\nModify plum\n```\n")


def test_drift_that_lasts_changes_its_issue(shipped: Path, tmp_path: Path) -> None:
    """A second night opens no second issue."""
    gh(tmp_path, ISSUES)
    assert issue(shipped, tmp_path, "3") == [["issue", "edit", "5", "--body-file", "drift.txt.md"]]


def test_drift_that_is_gone_closes_its_issue(shipped: Path, tmp_path: Path) -> None:
    """With a word; where none is open, nothing is done."""
    gh(tmp_path, ISSUES)
    assert issue(shipped, tmp_path, "0") == [["issue", "close", "5", "--comment", "The drift is gone: https://run"]]
    gh(tmp_path, [])
    assert issue(shipped, tmp_path, "0") == []


@pytest.mark.parametrize(("code", "ends", "told"), [(0, 0, "code=0\n"), (3, 0, "code=3\n"), (2, 2, None), (1, 1, None)])
def test_only_drift_is_no_failure(shipped: Path, tmp_path: Path, code: int, ends: int, told: str | None) -> None:
    """The step hands on 0 and 3; any other exit code of the task fails the job, and no issue is touched."""
    steps = yaml.safe_load((shipped / ".github/workflows/drift.yml").read_text("utf-8"))["jobs"]["drift"]["steps"]
    step = next(step["run"] for step in steps if step.get("id") == "drift")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uv").write_text(f"#!/bin/sh\necho Modify plum\nexit {code}\n", "utf-8")
    (tmp_path / "bin/uv").chmod(0o755)
    files = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "RUNNER_TEMP": str(tmp_path)}
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    done = run("bash", "-eo", "pipefail", "-c", step, cwd=shipped, **files, PATH=path)
    assert done.returncode == ends, done.stderr
    output = shipped / "output"
    assert (output.read_text("utf-8") if output.exists() else None) == told
    if told:
        assert (tmp_path / "summary").read_text("utf-8") == "```text\nModify plum\n```\n"


CHANGELOG = """# Changelog

## [1.2.0](https://example.com/compare) - 2026-11-30

Run `copier update`.

### Added

- Plums.

## v1.1.0 (2026-10-01)

Older.

## 1.0.0

## 0.9.0
First.
"""


@pytest.mark.parametrize(
    ("tag", "notes"),
    [
        ("v1.2.0", "\nRun `copier update`.\n\n### Added\n\n- Plums.\n"),
        ("v1.1.0", "\nOlder.\n"),
        ("v0.9.0", "First.\n"),
    ],
)
def test_release_notes_are_the_changelog_entry(own: Path, tmp_path: Path, tag: str, notes: str) -> None:
    """Everything below the version's heading, up to the next version."""
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, "utf-8")
    done = script(own, "release-notes.sh", tag, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, notes)


@pytest.mark.parametrize("tag", ["v1.0.0", "v1.2", "v2.0.0", "v1.2.0rc1"])
def test_a_release_without_an_entry_is_refused(own: Path, tmp_path: Path, tag: str) -> None:
    """An empty entry, a part of a version and a version that is not there all stop the release."""
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, "utf-8")
    done = script(own, "release-notes.sh", tag, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"'## {tag[1:]}'" in done.stderr


# --- commit hooks


@pytest.fixture(scope="module")
def hooked(matrix: Matrix, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every made project side by side in one Git repository, under their own hooks.

    In a project the tools come from its lock through `uv run`; here the same programs come from these tests'.
    """
    folder = tmp_path_factory.mktemp("hooked")
    for name, project in matrix.projects.items():
        shutil.copytree(project, folder / name)
    config = next(file.content for file in matrix.unique(".pre-commit-config.yaml"))
    assert config.count("entry: uv run ") == 9
    (folder / ".pre-commit-config.yaml").write_text(config.replace("entry: uv run ", "entry: "), "utf-8")
    assert run("git", "init", "--quiet", cwd=folder).returncode == 0
    return folder


def commit_hooks(folder: Path, *which: str) -> subprocess.CompletedProcess[str]:
    """Stage everything and run the hooks as a commit would; `which` are options that choose the files."""
    assert run("git", "add", "--all", cwd=folder).returncode == 0
    path = os.pathsep.join([str(Path(command("ruff")).parent), os.environ["PATH"]])
    home = str(folder / ".git/pre-commit")
    return run(command("pre-commit"), "run", *which, cwd=folder, PATH=path, PRE_COMMIT_HOME=home)


def test_hooks_leave_a_fresh_project_as_it_is(hooked: Path) -> None:
    """The first commit of every project passes unchanged."""
    done = commit_hooks(hooked, "--all-files")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Passed") >= 8


@pytest.mark.parametrize(
    ("name", "content", "hook"),
    [
        ("bad.py", "import os\n", "lint Python"),
        ("bad.py", "plum = {  'a':1 }\n", "format Python"),
        (
            "bad.md",
            "<<<<<<< before updating\nplum\n=======\npear\n>>>>>>> after updating\n",
            "no conflict marks",
        ),
        ("README.md.rej", "@@ -1 +1 @@\n", "no rejected hunks"),
        ("key.pem", "-----BEGIN " + "RSA PRIVATE KEY-----\n", "no private keys"),
        ("big.bin", "0" * 1_100_000 + "\n", "no large files"),
        ("bad.yml", "plum: [\n", "YAML parses"),
        ("bad.toml", "plum = \n", "TOML parses"),
        ("bad.txt", "plum  \n", "no trailing spaces"),
        ("bad.txt", "plum", "one newline at the end"),
    ],
)
def test_each_hook_turns_red(hooked: Path, name: str, content: str, hook: str) -> None:
    """One fault a hook, in a file that the commit adds."""
    file = hooked / name
    file.write_text(content, "utf-8")
    try:
        done = commit_hooks(hooked, "--files", name)
    finally:
        file.unlink()
    assert re.search(rf"^{hook}.*Failed$", done.stdout, re.MULTILINE), done.stdout


def test_hooks_are_local(repository: Path) -> None:
    """No hook is fetched from another repository, and pre-commit accepts the file."""
    config = repository / ".pre-commit-config.yaml"
    assert run(command("pre-commit"), "validate-config", config, cwd=repository).returncode == 0
    assert [repo["repo"] for repo in yaml.safe_load(config.read_text("utf-8"))["repos"]] == ["local"]


def test_our_hooks_use_the_versions_of_these_tests(own: Path) -> None:
    """The tools that pre-commit installs are the ones that the tests were run with."""
    config = (own / ".pre-commit-config.yaml").read_text("utf-8")
    pinned = set(re.findall(r"\[([a-z-]+)==(\S+)\]", config))
    assert pinned == {(name, importlib.metadata.version(name)) for name in ("ruff", "pre-commit-hooks")}
