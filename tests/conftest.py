"""Every offered variant is rendered once a session, by all workers of pytest-xdist together, and each content is checked once.

Nine in ten rendered files are the same in every variant, so a validator asks `matrix.unique(...)` for the different ones and
learns which variants hold them. The source is a plain copy of the working tree: what git ignores is left out as in a release,
and without a repository Copier neither clones nor asks git about each file. tests/test_render.py proves that a git source
gives the same bytes and modes.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import filelock
import hypothesis
import pytest
import yaml
from copier import run_copy
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from jinja2_ansible_filters import AnsibleCoreFiltersExtension
from plumbum import local
from xdist.scheduler import LoadScopeScheduling

# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]
ANSWERS_FILE = ".copier-answers.yml"
IDENTITY = {
    "project_name": "taxi-fares",
    "project_type": "classical",
    "platform": "aml",
    "address_space": "10.40.0.0/22",  # asked of private networks only
}
# The questions that choose files, in the order of a variant's name. A question that a project type does not ask is left out.
AXES = ("project_type", "task", "platform", "ci", "iac", "network")

Answers = dict[str, str]


@dataclass(frozen=True)
class Rendered:
    """One content of one path, and the names of the variants that hold it."""

    path: Path
    relative: str
    content: str
    variants: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """The offered variants by name, each rendered into a folder that no test may change."""

    projects: dict[str, Path]
    answers: dict[str, Answers]

    def unique(self, *globs: str) -> list[Rendered]:
        """Each different content once, for paths that match a glob such as `**/*.py`. Raises when nothing matches."""
        found: dict[tuple[str, bytes], list[str]] = {}
        for variant, project in self.projects.items():
            for path in sorted({path for glob in globs for path in project.glob(glob) if path.is_file()}):
                key = (path.relative_to(project).as_posix(), path.read_bytes())
                found.setdefault(key, []).append(variant)
        if not found:
            raise LookupError(f"no rendered file matches {globs}")
        return [
            Rendered(self.projects[variants[0]] / relative, relative, content.decode(), tuple(variants))
            for (relative, content), variants in found.items()
        ]


@cache
def questionnaire() -> dict[str, dict[str, object]]:
    """The questions of copier.yml by name, without the settings."""
    loaded = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    return {name: question for name, question in loaded.items() if not name.startswith("_")}


def offered(question: str) -> list[str]:
    """The values that a question offers."""
    choices = questionnaire()[question]["choices"]
    assert isinstance(choices, dict), f"{question} offers no labelled choices"
    return list(choices.values())


def is_asked(question: str, answers: Answers) -> bool:
    """Whether the question is asked once the given answers are known, by its own `when`."""
    condition = SandboxedEnvironment().from_string(str(questionnaire()[question].get("when", True)))
    return condition.render(answers) == "True"


def variants() -> dict[str, Answers]:
    """Every combination of offered choices, named by its values: `classical-regression-aml-github-bicep`."""
    combined: list[Answers] = [{}]
    for axis in AXES:
        combined = [
            answers | ({axis: value} if value else {})
            for answers in combined
            for value in (offered(axis) if is_asked(axis, answers) else [""])
        ]
    return {"-".join(answers.values()): answers for answers in combined}


def covering() -> list[str]:
    """Names of variants that together hold every pair of choices: enough wherever a path or a line follows from two at most."""
    pairs = {name: set(itertools.combinations(answers.items(), 2)) for name, answers in variants().items()}
    missing = set().union(*pairs.values())
    chosen: list[str] = []
    while missing:
        chosen.append(max(pairs, key=lambda name: len(pairs[name] & missing)))
        missing -= pairs[chosen[-1]]
    return chosen


def copy_working_tree(to: Path) -> Path:
    """Copy what a commit of everything would hold, modes included, without the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "copier.yml", "extensions", "template"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():  # a file deleted but not yet committed is still listed
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def render(source: Path, to: Path, answers: Answers) -> Path:
    """Render a project, untrusted and unattended. Raises what Copier raises; Copier takes unknown answers, this does not."""
    unknown = answers.keys() - questionnaire().keys()
    assert not unknown, f"copier.yml asks no such question: {unknown}"
    run_copy(str(source), to, data=answers, defaults=True, quiet=True, unsafe=False)
    return to


def render_without_git(source: Path, to: Path, answers: Answers) -> Path:
    """Render with git hidden from Copier, which would otherwise start it once a file."""
    with tempfile.TemporaryDirectory() as empty, local.env(PATH=empty):
        return render(source, to, answers)


def render_all(source: Path, to: Path) -> None:
    """Render every variant, as many at a time as there are processors. The folder appears only when it is complete."""
    building = to.with_name(f"{to.name}.building")
    # A fresh interpreter each: forking a threaded process, as a worker of pytest-xdist is, may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=min(os.cpu_count() or 1, len(variants())), mp_context=context) as pool:
        jobs = [
            pool.submit(render_without_git, source, building / name, IDENTITY | answers)
            for name, answers in variants().items()
        ]
        for job in jobs:
            job.result()
    building.rename(to)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """`--dist loadgroup` gives the tests of a variant to one worker. xdist's own groups get lost in this version of pytest."""
    if config.getvalue("dist") != "loadgroup":
        return None
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = lambda nodeid: next((name for name in variants() if f"[{name}" in nodeid), nodeid)
    return scheduler


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def template(shared: Path) -> Path:
    """The template as a plain folder, read-only for tests."""
    with filelock.FileLock(shared / "template.lock"):
        if not (shared / "template").exists():
            copy_working_tree(shared / "template.building").rename(shared / "template")
    return shared / "template"


@pytest.fixture(scope="session")
def matrix(template: Path, shared: Path) -> Matrix:
    """Every offered variant, rendered."""
    with filelock.FileLock(shared / "matrix.lock"):
        if not (shared / "matrix").exists():
            render_all(template, shared / "matrix")
    return Matrix({name: shared / "matrix" / name for name in variants()}, variants())


@pytest.fixture(scope="session")
def macros() -> SandboxedEnvironment:
    """Jinja as Copier sets it up for copier.yml, to try macros without rendering."""
    filters = [AnsibleCoreFiltersExtension]
    return SandboxedEnvironment(
        loader=FileSystemLoader(ROOT),
        extensions=filters,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


@pytest.fixture
def git_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git commits as a test, whatever the machine's own configuration says."""
    settings = {
        "user.name": "test",
        "user.email": "test@example.com",
        "commit.gpgsign": "false",
        "init.defaultBranch": "main",
    }
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for index, (key, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{index}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{index}", value)


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it printed."""
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def commit_all(folder: Path, tag: str = "") -> None:
    """Commit everything in a folder, as a new repository where it is none yet, and tag it."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "change")
    if tag:
        git(folder, "tag", tag)


def released(template: Path, to: Path) -> Path:
    """The template as a git repository with one release."""
    shutil.copytree(template, to)
    commit_all(to, "v1.0.0")
    return to


def tree(folder: Path) -> dict[str, bytes]:
    """The content of every file by its path, without the git repository."""
    files = (path for path in folder.rglob("*") if path.is_file())
    relative = {path.relative_to(folder): path for path in files}
    return {name.as_posix(): path.read_bytes() for name, path in relative.items() if name.parts[0] != ".git"}


def recorded(project: Path) -> dict[str, str]:
    """The answers that a project remembers, Copier's own keys aside."""
    loaded = yaml.safe_load((project / ANSWERS_FILE).read_text("utf-8"))
    return {name: answer for name, answer in loaded.items() if not name.startswith("_")}


def write_data_file(path: Path, answers: dict[str, object]) -> Path:
    """Write answers for `copier --data-file`, with newlines, quotes and emoji exact: JSON is YAML."""
    path.write_text(json.dumps(answers, ensure_ascii=False), "utf-8")
    return path
