"""A fresh project of every type and platform lives its first day: commit, own checks, train, score, monitor, train again.

Nothing is faked: the project gets its own environment from its own lock, and MLflow, SQLite and git are the real ones. One lock
serves all projects whose dependencies are equal, since asking the registry is the slow part; uv links files from its cache.
The tests of one project share it and run in the order of this file, in one worker (conftest.py). Two workers let two
projects live side by side: much of a day is one process that starts. A worker's projects live in one place, one after the other.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from conftest import (
    AXES,
    IDENTITY,
    ROOT,
    Answers,
    is_asked,
    offered,
    questionnaire,
    recorded,
    render,
    render_without_git,
    variants,
)
from filelock import FileLock
from jinja2.sandbox import SandboxedEnvironment

# Test files that are the same, and test the same, whatever the project's type.
SAME_FOR_EVERY_TYPE = {"aml_graph", "bundle_graph", "classic_spark", "deploy", "local_registry", "processes", "tool"}
# Test files that no platform owns and that can turn out differently on each: they reach registry.py, the one module that
# differs (tests/test_render.py proves it), or MLflow, whose version Azure ML caps. Of all others one platform says enough.
REACH_THE_PLATFORM = {"boundaries", "cli", "flavor", "gate_steps", "local_registry", "steps"}
# What a developer's or a CI machine's environment may hold and a fresh project must not see.
FOREIGN = re.compile(
    r"AZURE_|CONDA_|COV_|DATABRICKS_|GITHUB_|MLFLOW_|MPL|NOX|PYTEST_|PYTHON|SPARK_|UV_COMPILE|UV_PROJECT|VIRTUAL_ENV"
)


def full_variants() -> dict[str, Answers]:
    """One variant for each project type and platform, with the tasks, CI systems and infrastructure languages in turn."""
    chosen: dict[str, Answers] = {}
    for project_type in offered("project_type"):
        for turn, platform in enumerate(offered("platform")):
            answers = {"project_type": project_type, "platform": platform}
            for axis in AXES:
                if axis not in answers and is_asked(axis, answers):
                    answers[axis] = offered(axis)[turn % len(offered(axis))]
            chosen[name_of(answers)] = answers
    return chosen


def name_of(answers: Answers) -> str:
    """The name of the variant that has these answers."""
    return "-".join(answers[axis] for axis in AXES if axis in answers)


def checked_variants() -> dict[str, Answers]:
    """The first variant of each type, task and platform that is not lived in full.

    No other choice changes a line of Python, but for a few in tasks/ of which those lived in full hold them all.
    """

    def python(answers: Answers) -> tuple[str, ...]:
        return tuple(answers.get(axis, "") for axis in ("project_type", "task", "platform"))

    lived = {python(answers) for answers in full_variants().values()}
    chosen: dict[tuple[str, ...], str] = {}
    for name, answers in variants().items():
        chosen.setdefault(python(answers), name)
    return {name: variants()[name] for python, name in chosen.items() if python not in lived}


def suite(answers: Answers) -> dict[str, set[str]]:
    """The test files of a project by name, each with the overlays that own it, as its path in the template says."""
    root = ROOT / "template"
    paths = [path.relative_to(root) for path in root.rglob("tests/test_*.py*")]
    owners = {path: set(re.findall(r"\{\{ (\w+) \}\}", path.as_posix())) for path in paths}
    return {bare_name(path): found for path, found in owners.items() if all(is_laid(one, answers) for one in found)}


def bare_name(path: Path) -> str:
    """What test_gate.py and test_gate.py.jinja test: gate."""
    return path.name.partition(".")[0].removeprefix("test_")


def is_laid(overlay: str, answers: Answers) -> bool:
    """Whether an overlay is part of a project, by its hidden answer."""
    return SandboxedEnvironment().from_string(str(questionnaire()[overlay]["default"])).render(answers) == "."


def subjects(answers: Answers) -> dict[str, tuple[str, ...]]:
    """The test files of a project, each with the answers that decide how it turns out: where all are equal, once is enough."""
    matter, platform = (answers["project_type"], answers.get("task", "")), answers["platform"]
    return {
        name: (
            name,
            *(matter if name not in SAME_FOR_EVERY_TYPE else ()),
            *([platform] if platform in owners or name in REACH_THE_PLATFORM else ()),
        )
        for name, owners in suite(answers).items()
    }


@cache
def turns() -> dict[str, set[str]]:
    """The test files that each project runs: all whose subject no project before it has had."""
    had: set[tuple[str, ...]] = set()
    chosen: dict[str, set[str]] = {}
    for variant, answers in (full_variants() | checked_variants()).items():
        found = subjects(answers)
        chosen[variant] = {name for name, subject in found.items() if subject not in had}
        had |= set(found.values())
    return chosen


@dataclass(frozen=True)
class Project:
    """A committed project with its environment ready."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as its developer would."""
        return subprocess.run(
            command, cwd=self.folder, env=dict(self.environment), capture_output=True, text=True, timeout=1800
        )

    def succeed(self, *command: str) -> str:
        """Run a command that must exit with 0, and return all it printed."""
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(command)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def read(self, path: str) -> dict[str, object]:
        """A JSON report of the project."""
        loaded = json.loads((self.folder / path).read_text("utf-8"))
        assert isinstance(loaded, dict)
        return loaded


def fresh_environment(home: Path) -> dict[str, str]:
    """The machine's environment without what would leak into a project, and with git able to commit."""
    kept = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    who = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "test"), ("EMAIL", "t@example.com"))
    }
    # mypy knows what it has read before by its content: the next project's libraries are mostly the same.
    caches = {"PRE_COMMIT_HOME": str(home / "pre-commit"), "MYPY_CACHE_DIR": str(home / "mypy")}
    return kept | who | caches | {"GIT_CONFIG_GLOBAL": os.devnull}


def start(project: Project, locks: Path) -> None:
    """Lock and install, with the lock of an earlier project when it fits, and commit for the first time with hooks on."""
    with FileLock(locks / "lock"):
        if (locks / "uv.lock").exists():
            shutil.copy(locks / "uv.lock", project.folder)
        project.succeed("uv", "lock")
        shutil.copy(project.folder / "uv.lock", locks)
    # What an earlier project fetched is not asked for again: a registry whose answers soon expire would send Spark, half a
    # gigabyte, each time. Nothing is compiled beforehand: most of what is installed is never imported.
    sync = ("uv", "sync", "--locked")
    if project.run(*sync, "--offline").returncode:
        project.succeed(*sync)
    project.succeed("git", "init", "--quiet", "--initial-branch", "main")
    project.succeed("uv", "run", "pre-commit", "install")
    project.succeed("git", "add", "--all")


def begin(answers: Answers, template: Path, shared: Path, home: Path) -> Project:
    """A fresh project, staged for its first commit, in the place of the last one. Projects of one type and platform share a lock.

    It takes over that one's environment: `uv sync` makes it hold what the lock says and no more, and what both hold keeps its
    bytecode, whose making takes longer than all the rest.
    """
    folder, environment = home / answers["platform"] / "taxi-fares", home / answers["platform"] / "environment"
    if folder.exists():
        if (folder / ".venv").exists():
            (folder / ".venv").rename(environment)
        folder.rename(home / name_of(recorded(folder)))
    render(template, folder, IDENTITY | answers)
    if environment.exists():
        environment.rename(folder / ".venv")
    locks = shared / f"lock-{answers['project_type']}-{answers['platform']}"
    locks.mkdir(exist_ok=True)
    fresh = Project(folder, fresh_environment(home))
    start(fresh, locks)
    return fresh


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place of this worker's projects."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", params=reversed(full_variants()))
def project(request: pytest.FixtureRequest, template: Path, shared: Path, home: Path) -> Project:
    """A fresh project that will live its first day; the types with the most tests come first."""
    return begin(full_variants()[request.param], template, shared, home)


@pytest.fixture(scope="module", params=checked_variants())
def checked(request: pytest.FixtureRequest, template: Path, shared: Path, home: Path) -> Project:
    """A fresh project that only has its own checks run."""
    return begin(checked_variants()[request.param], template, shared, home)


def aliases(project: Project) -> dict[str, int]:
    """Which version each alias names, for the one model in the project's registry, as MLflow stored it."""
    with closing(sqlite3.connect(project.folder / "mlflow.db")) as database:
        rows = database.execute("SELECT name, alias, version FROM registered_model_aliases").fetchall()
    assert len({name for name, _, _ in rows}) == 1, rows
    return {alias: version for _, alias, version in rows}


def test_the_first_commit_passes_its_hooks_unchanged(project: Project) -> None:
    """The project's own hooks accept the render as it is: they mend nothing, so no later update conflicts with a mend."""
    staged = project.succeed("git", "write-tree")
    project.succeed("git", "commit", "--message", "Start")
    assert project.succeed("git", "write-tree") == staged
    assert project.succeed("git", "status", "--porcelain") == ""


def check(project: Project) -> None:
    """Lint, strict types and tests of a project pass, and a test of each file whose turn it is really ran.

    The coverage floor must hold where all tests of the project's own code run: once for each type and task. Those run side by
    side as they do for a developer; the few of the other projects leave the processors to the project that lives beside them.
    """
    project.succeed("uv", "run", "poe", "lint")
    project.succeed("uv", "run", "poe", "types")
    answers = recorded(project.folder)
    names, turn = set(suite(answers)), turns()[name_of(answers)]
    measured = names - turn <= SAME_FOR_EVERY_TYPE
    left_out = [f"--ignore=tests/test_{name}.py" for name in sorted(names - turn)]
    manner = ("-n", "auto", "--dist", "worksteal", "--cov") if measured else ("-n", "1")
    printed = project.succeed("uv", "run", "pytest", "-v", "--durations=20", *manner, *left_out)
    print(printed[printed.rfind(" slowest ") :])
    assert set(re.findall(r"PASSED tests/test_(\w+)\.py", printed)) == turn, printed[-2000:]
    assert not re.search(r"\d+ (deselected|skipped)", printed), printed[-2000:]
    assert not measured or "Required test coverage" in printed


def test_each_test_file_has_its_turn(template: Path, tmp_path: Path) -> None:
    """One project runs each test file, for all that have the same bytes of it, whatever other answers they have."""
    contents: dict[tuple[str, ...], set[bytes]] = {}
    ran: list[tuple[str, ...]] = []
    for variant, answers in (full_variants() | checked_variants()).items():
        folder = render_without_git(template, tmp_path / variant, IDENTITY | answers) / "tests"
        found = subjects(answers)
        assert {bare_name(path) for path in folder.glob("test_*.py")} == found.keys()
        for name, subject in found.items():
            contents.setdefault(subject, set()).add((folder / f"test_{name}.py").read_bytes())
        ran += [found[name] for name in turns()[variant]]
    assert sorted(ran) == sorted(contents)
    assert {subject for subject, held in contents.items() if len(held) > 1} == set()
    assert {name for name, *_ in contents} >= SAME_FOR_EVERY_TYPE | REACH_THE_PLATFORM


def test_its_own_checks_pass(project: Project) -> None:
    """A project's own checks pass."""
    check(project)


def test_its_platform_files_are_valid(project: Project) -> None:
    """The task that CI runs over the platform's files passes without an account."""
    project.succeed("uv", "run", "poe", "platform-validate")


def test_the_pipeline_ends_with_a_champion(project: Project) -> None:
    """One command on the sample trains, evaluates, passes the gate and registers the first champion."""
    project.succeed("uv", "run", "pipeline", "run")
    gate = project.read("outputs/report/gate.json")
    assert gate["passed"] is True and gate["champion"] is None
    assert aliases(project)["champion"] == 1
    assert (project.folder / "outputs/report/model_card.md").stat().st_size > 500
    assert list((project.folder / "outputs/report/plots").glob("*.png"))


def test_rows_are_scored(project: Project) -> None:
    """The champion predicts for the rows in the source folder."""
    project.succeed("uv", "run", "pipeline", "score")
    assert any(path.stat().st_size > 500 for path in (project.folder / "outputs/predictions").rglob("*.parquet"))


# What serves: the project's task, and a place that has what the model's folder asks for and nothing else.
SERVERS = {
    "task": "uv run poe serve",
    "requirements": "uv run --isolated --no-project --with-requirements outputs/model/requirements.txt "
    "mlflow models serve --model-uri outputs/model --env-manager local --port 5001",
}


@pytest.mark.parametrize("server", SERVERS)
def test_its_model_is_served(server: str, project: Project, shared: Path) -> None:
    """A server answers the example that lies in the model's folder, without what only training needs."""
    example = (project.folder / "outputs/model/serving_input_example.json").read_bytes()
    log = project.folder / "outputs/server.log"
    # The port is the one that the project's task has: one server at a time.
    with FileLock(shared / "port"), log.open("wb") as stream:
        process = subprocess.Popen(
            SERVERS[server].split(),
            cwd=project.folder,
            env=dict(project.environment),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            predictions = ask(process, example, log)["predictions"]
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
    given = next(iter(json.loads(example).values()))
    rows = given["data"] if isinstance(given, dict) else given
    assert isinstance(predictions, list) and len(predictions) == len(rows)


def ask(process: subprocess.Popen[bytes], rows: bytes, log: Path) -> dict[str, object]:
    """What a server answers, once it has started."""
    request = urllib.request.Request("http://127.0.0.1:5001/invocations", rows, {"Content-Type": "application/json"})
    for _ in range(240):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  (loopback)
                loaded = json.load(answer)
                assert isinstance(loaded, dict)
                return loaded
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        except OSError:  # nobody listens yet
            assert process.poll() is None, log.read_text("utf-8")
            time.sleep(0.5)
    raise AssertionError(f"the server does not answer\n{log.read_text('utf-8')}")


def test_its_page_works_in_a_browser(project: Project) -> None:
    """Where a project has a page, its tests pass in the Chromium that BROWSER names."""
    tests = "tests/page_in_browser.py"
    if (project.folder / tests).exists():
        assert " passed" in project.succeed("uv", "run", "--group", "browser", "pytest", tests)


def test_predictions_are_monitored(project: Project) -> None:
    """Reference, current rows and predictions give a drift report and a decision."""
    project.succeed("uv", "run", "pipeline", "monitor")
    assert project.read("outputs/monitoring/drift.json")
    assert project.read("outputs/monitoring/retrain.json")


def test_an_equal_model_passes_against_the_champion(project: Project) -> None:
    """The second run compares with the champion, passes, and registers no second version of the same model."""
    project.succeed("uv", "run", "pipeline", "run")
    gate = project.read("outputs/report/gate.json")
    assert gate["passed"] is True and gate["champion"]
    assert aliases(project)["champion"] in {1, 2}


def test_a_failed_gate_registers_nothing(project: Project) -> None:
    """A register step whose report did not pass exits with 1 and changes no alias, with a reason and no traceback."""
    report = project.folder / "outputs/report/gate.json"
    before = aliases(project)
    report.write_text(
        json.dumps(project.read("outputs/report/gate.json") | {"passed": False, "reasons": ["made up"]}), "utf-8"
    )
    done = project.run("uv", "run", "pipeline", "register")
    assert done.returncode == 1 and "Traceback" not in done.stderr and "error:" in done.stderr
    assert aliases(project) == before


def test_a_usage_error_is_one_line(project: Project) -> None:
    """An unknown setting exits with 2 and one line that names it."""
    done = project.run("uv", "run", "pipeline", "train", "--set", "train.nonsense=1")
    assert done.returncode == 2 and "nonsense" in done.stderr and "Traceback" not in done.stderr


def test_a_day_of_work_leaves_the_tree_clean(project: Project) -> None:
    """Everything that the steps and tools wrote is ignored by git, and the lock is as it was."""
    assert project.succeed("git", "status", "--porcelain") == ""
    project.succeed("uv", "lock", "--check")


def test_what_the_project_installs_is_no_project_name(project: Project, macros: SandboxedEnvironment) -> None:
    """A project named like a direct dependency would depend on itself, and one named like its module would hide it."""
    declared = tomllib.loads((project.folder / "pyproject.toml").read_text("utf-8"))
    groups = [line for group in declared["dependency-groups"].values() for line in group if isinstance(line, str)]
    wanted = [re.split(r"[^\w.-]", line)[0] for line in declared["project"]["dependencies"] + groups]
    script = (
        "import importlib.metadata as m, json, re, sys; n = lambda s: re.sub('[-_.]+', '_', s).lower()\n"
        "wanted = {n(w) for w in sys.argv[1:]}\n"
        "print(json.dumps(sorted(wanted | {k for k, v in m.packages_distributions().items() if wanted & {n(d) for d in v}})))"
    )
    names = json.loads(project.run("uv", "run", "python", "-c", script, *wanted).stdout)
    assert len(names) > 20
    check = macros.from_string(
        "{% from 'extensions/names.jinja' import package_name_error %}{{ package_name_error(name) }}"
    )
    free = [name for name in names if not check.render(name=name).strip()]
    assert not free, f"add to extensions/reserved.jinja: {free}"


def test_the_checks_of_the_other_tasks_pass(checked: Project) -> None:
    """So do those of every other task on every platform."""
    check(checked)
