"""A team that has worked in its project switches platform, CI or infrastructure by an update, and loses nothing.

The update is the real one, from a git repository with a release, untrusted. What a project is after a switch follows from two
renders: that of the new choice, and what the team did to that of the old one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import conftest
import pytest
from conftest import IDENTITY, Answers, commit_all, git, is_asked, offered, render, tree
from copier import run_update

PACKAGE = "src/taxi_fares"
SWITCHES = ("platform", "ci", "iac")
# What the team does, by path: seed files rewritten, a contract file of the code extended, a file of its own added.
TEAM = {
    f"{PACKAGE}/model.py": b"# all ours\n",
    "config/base.yml": b"# our numbers\n",
    "README.md": b"# Ours\n",
    f"{PACKAGE}/ours.py": b"OURS = 1\n",
}
EXTENDED = f"{PACKAGE}/gate.py"
NOTE = b"# from the team\n"


def switches() -> dict[str, tuple[Answers, Answers]]:
    """Each switch of one choice in each direction that there is, and one of three at once, by name: (before, after)."""
    base = IDENTITY | {"task": "regression"}
    found: dict[str, tuple[Answers, Answers]] = {}
    for axis in SWITCHES:
        for old in offered(axis):
            for new in offered(axis):
                if old != new:
                    found[f"{old}-to-{new}"] = (base | {axis: old}, {axis: new})
    first = {axis: offered(axis)[0] for axis in SWITCHES}
    found["everything"] = (base | first, {axis: offered(axis)[-1] for axis in SWITCHES})
    found["public-to-private"] = (base, {"network": "private", "address_space": IDENTITY["address_space"]})
    assert is_asked("task", base)
    return found


def only_in(before: Path, after: Path) -> list[str]:
    """The paths of the one render that the other has not."""
    return sorted(tree(before).keys() - tree(after).keys())


def work(project: Path) -> None:
    """Edit the project as a team does, and commit."""
    for name, content in TEAM.items():
        (project / name).write_bytes(content)
    (project / EXTENDED).write_bytes(NOTE + (project / EXTENDED).read_bytes())
    commit_all(project)


def expected(fresh: Path) -> dict[str, bytes]:
    """The fresh render of the new choice with the team's work in it, answers aside."""
    files = tree(fresh) | TEAM
    return files | {EXTENDED: NOTE + files[EXTENDED]}


def without_answers(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files of a project but the one that records which commit of the template it is from."""
    return {path: content for path, content in files.items() if path != conftest.ANSWERS_FILE}


@pytest.fixture
def release(template: Path, tmp_path: Path, git_environment: None) -> Path:
    """The template as a git repository with one release."""
    return conftest.released(template, tmp_path / "release")


@pytest.mark.parametrize("name", switches())
def test_a_switch_keeps_the_teams_work_and_leaves_nothing_of_the_old_choice(
    name: str, release: Path, tmp_path: Path
) -> None:
    """After a plain `copier update` the project is the fresh render of the new choice with every byte of the team's work."""
    before, after = switches()[name]
    project = render(release, tmp_path / "project", before)
    commit_all(project)
    work(project)
    run_update(project, data=after, defaults=True, skip_answered=True, overwrite=True, quiet=True, unsafe=False)
    fresh = render(release, tmp_path / "fresh", before | after)
    assert without_answers(tree(project)) == without_answers(expected(fresh))
    assert conftest.recorded(project) == conftest.recorded(fresh)
    assert git(project, "ls-files", "--unmerged") == ""


@pytest.mark.parametrize("name", [f"{offered(axis)[0]}-to-{offered(axis)[-1]}" for axis in SWITCHES])
def test_the_task_update_brings_back_what_the_team_changed_in_the_old_choice(
    name: str, release: Path, tmp_path: Path
) -> None:
    """With `poe update` a changed or added file of the old choice stays and is told; its untouched neighbours go."""
    before, after = switches()[name]
    project = render(release, tmp_path / "project", before)
    commit_all(project)
    fresh = render(release, tmp_path / "fresh", before | after)
    gone = only_in(project, fresh)
    assert gone, "the switch drops no file"
    edited, added = gone[0], str(Path(gone[-1]).with_name("ours.txt"))
    (project / edited).write_bytes((project / edited).read_bytes() + NOTE)
    (project / added).write_bytes(NOTE)
    work(project)
    mine = {edited: (project / edited).read_bytes(), added: NOTE}
    done = update(project, after)
    assert done.returncode == 0, done.stderr
    assert without_answers(tree(project)) == without_answers(expected(fresh)) | mine
    assert f"  {edited}\n" in done.stdout and f"  {added}\n" in done.stdout


def update(project: Path, answers: Answers) -> subprocess.CompletedProcess[str]:
    """Run the task as `poe update` does."""
    given = [f"--data={name}={value}" for name, value in answers.items()]
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    command = [sys.executable, "tasks/update.py", "--defaults", "--quiet", *given]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)


def test_lines_that_both_changed_end_with_1_and_are_named(release: Path, tmp_path: Path) -> None:
    """Copier ends with 0 on a conflict; the task says which files to merge and ends with 1."""
    project = render(release, tmp_path / "project", IDENTITY)
    for folder, prefix, text in ((release, "template/", "# of the template\n"), (project, "", "# of the team\n")):
        path = folder / prefix / "tasks/quality.toml"
        path.write_text(text + path.read_text("utf-8").split("\n", 1)[1], "utf-8")
    commit_all(project)
    commit_all(release, "v2.0.0")
    done = update(project, {})
    assert done.returncode == 1, done.stderr
    assert "  tasks/quality.toml\n" in done.stdout
    text = (project / "tasks/quality.toml").read_text("utf-8")
    assert "# of the template" in text and "# of the team" in text


def test_uncommitted_work_stops_the_update(release: Path, tmp_path: Path) -> None:
    """With work that is in no commit nothing begins: one line, exit code 2, nothing changed."""
    project = render(release, tmp_path / "project", IDENTITY)
    commit_all(project)
    (project / EXTENDED).write_bytes(NOTE)
    before = tree(project)
    done = update(project, {"ci": offered("ci")[-1]})
    assert (done.returncode, done.stderr.count("\n"), done.stderr[:7]) == (2, 1, "error: ")
    assert tree(project) == before
