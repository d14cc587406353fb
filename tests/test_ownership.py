"""Each path of a project comes from one place, which the template path names. Proven from names alone, without rendering.

Copier refuses two sources of one path only while copying, only when their contents differ, and never on an update.
So the proof is done here, for every combination of choices.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import conftest
import pathspec
import pytest
from conftest import Answers, Matrix, questionnaire, variants

OVERLAY = re.compile(r"\{\{ (\w+) \}\}")
# The question that each overlay follows from.
AXIS = {
    "classical": "project_type",
    "cv": "project_type",
    "nlp": "project_type",
    "rag": "project_type",
    "supervised": "project_type",
    "pytorch": "project_type",
    "classification": "task",
    "regression": "task",
    "aml": "platform",
    "databricks": "platform",
    "github": "ci",
    "azure_devops": "ci",
    "bicep": "iac",
    "terraform": "iac",
    "private": "network",
}
# Choices that add no file: what the others are without.
PLAIN = {"public"}
# Overlays that several choices of one question share.
SHARED = {"pytorch": {"cv", "nlp"}, "supervised": {"classical", "cv", "nlp"}}
# Names that are printed into paths and choose nothing.
PRINTED = {"package_name"}
ANSWERS_TEMPLATE = "{{ _copier_conf.answers_file }}.jinja"
# The pairs of axes that may own a file together, because it truly depends on both. Three never may; a task belongs to its
# project type and counts as one axis with it.
JOINTS = {
    frozenset({"iac", "platform"}),
    frozenset({"platform", "project_type"}),
    frozenset({"iac", "project_type"}),
    frozenset({"iac", "network"}),
}
# A pair that only one project type needs.
RAG_ONLY = {frozenset({"platform", "project_type"}), frozenset({"iac", "project_type"})}
# Folders of the team: no release ships a file there yet, and an update must never begin to.
RESERVED_SEED = {"/data/", "/tests/data/"}


def overlays(path: str) -> list[str]:
    """The overlays that a template path lies in, in order."""
    return [name for name in OVERLAY.findall(path) if name not in PRINTED]


def owners(path: str) -> frozenset[str]:
    """The axes that own a template path, the task counted with its project type."""
    axes = (AXIS[name] for name in overlays(path))
    return frozenset("project_type" if axis == "task" else axis for axis in axes)


def destination(path: str) -> str:
    """Where a template path ends up in a project: without overlays and without the suffix."""
    merged = "/".join(part for part in path.split("/") if not overlays(part))
    return (
        merged.replace("{{ package_name }}", "taxi_fares")
        .replace(ANSWERS_TEMPLATE, conftest.ANSWERS_FILE)
        .removesuffix(".jinja")
    )


def sources(paths: Iterable[str], answers: Answers) -> list[str]:
    """The template paths that a variant takes."""
    given = set(answers.values())
    return [path for path in paths if all(SHARED.get(name, {name}) & given for name in overlays(path))]


def contested(paths: Iterable[str]) -> Iterator[str]:
    """One line for each destination that some variant takes from two sources, letter case aside, as on Windows."""
    for name, answers in variants().items():
        found = Counter(destination(path).casefold() for path in sources(paths, answers))
        yield from (f"{name}: {path}" for path, number in found.items() if number > 1)


def strangers(paths: Iterable[str]) -> list[str]:
    """Template paths that break the rule of owners: unknown folders, three owners, or a pair that is not a joint."""
    return [path for path in paths if not is_owned(path)]


def is_owned(path: str) -> bool:
    """Whether the axes of a path may own it."""
    names = overlays(path)
    if not set(names) <= AXIS.keys() or len(set(names)) != len(names):
        return False
    if any(AXIS[name] == "task" for name in names) and "classical" not in names:
        return False
    axes = owners(path)
    if len(axes) < 2:
        return True
    return axes in JOINTS and (axes not in RAG_ONLY or "rag" in names)


@pytest.fixture(scope="module")
def paths(template: Path) -> list[str]:
    """Every path below template/."""
    root = template / "template"
    found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    assert len(found) > 20, "the template is nearly empty"
    return found


def test_no_variant_takes_a_path_from_two_sources(paths: list[str]) -> None:
    """Whatever one chooses, each file has one source."""
    assert not list(contested(paths))


def test_two_sources_are_found(paths: list[str]) -> None:
    """A second owner of a path is reported, even when only the letter case differs."""
    rival = "{{ aml }}/" + next(path for path in paths if not overlays(path) and path != ANSWERS_TEMPLATE).upper()
    with_aml = [name for name, answers in variants().items() if answers["platform"] == "aml"]
    assert len(list(contested([*paths, rival]))) == len(with_aml)


def test_only_listed_joints_have_two_owners(paths: list[str]) -> None:
    """A file lies under one overlay, or under a pair that is listed here."""
    assert not strangers(paths)


@pytest.mark.parametrize(
    "path",
    [
        "{{ github }}/{{ aml }}/ci.yml",
        "{{ classical }}/{{ aml }}/store.py",
        "{{ bicep }}/infra/{{ aml }}/{{ classical }}/main.bicep",
        "{{ terraform }}/infra/{{ rag }}/{{ aml }}/rag.tf",
        "{{ bicep }}/infra/{{ classical }}/main.bicep",
        "{{ bicep }}/infra/{{ supervised }}/rag.bicep",
        "{{ bicep }}/infra/{{ private }}/{{ aml }}/network.bicep",
        "{{ private }}/docs/{{ aml }}/network.md",
        "{{ github }}/{{ private }}/ci.yml",
        "{{ amll }}/job.yml",
        "{{ regression }}/model.py",
        "{{ aml }}/{{ aml }}/job.yml",
    ],
)
def test_a_wrong_owner_is_found(path: str) -> None:
    """Unlisted pairs, three owners, misspelt overlays and a task outside its project type are reported."""
    assert strangers([path]) == [path]


def test_every_overlay_is_a_hidden_answer_and_has_files(paths: list[str]) -> None:
    """The overlays, the hidden answers and the folders in use are the same names."""
    hidden = {name for name, question in questionnaire().items() if question.get("when") is False}
    assert hidden == AXIS.keys()
    assert {name for path in paths for name in overlays(path)} == hidden


def test_every_choice_has_its_overlay() -> None:
    """What a question offers for choosing files exists as an overlay of that question."""
    for axis in conftest.AXES:
        overlaid = {name for name in AXIS.keys() - SHARED.keys() if AXIS[name] == axis}
        assert set(conftest.offered(axis)) - PLAIN == overlaid


def test_the_render_holds_exactly_the_files_that_the_names_promise(paths: list[str], matrix: Matrix) -> None:
    """Copier merges overlays as this module reads them, and every template file reaches some project."""
    used: set[str] = set()
    for name, answers in variants().items():
        taken = sources(paths, answers)
        assert {destination(path) for path in taken} == conftest.tree(matrix.projects[name]).keys()
        used.update(taken)
    assert used == set(paths)


def seed_patterns() -> list[str]:
    """The patterns of files that an update leaves alone, for the package of the matrix."""
    listed = (conftest.ROOT / "extensions/seed.gitignore").read_text("utf-8")
    return listed.replace("{{ package_name }}", "taxi_fares").split()


def test_every_seed_pattern_matches_a_file(matrix: Matrix) -> None:
    """A misspelt seed pattern, which would let an update overwrite the team's file, is reported."""
    files = {path for project in matrix.projects.values() for path in conftest.tree(project)}
    specs = {pattern: pathspec.GitIgnoreSpec.from_lines([pattern]) for pattern in seed_patterns()}
    assert {pattern for pattern, spec in specs.items() if not any(spec.match_files(files))} == RESERVED_SEED


def test_shared_overlays_belong_to_offered_choices() -> None:
    """An overlay that several choices share names choices of its question."""
    for name, choices in SHARED.items():
        assert len(choices) > 1 and choices <= set(conftest.offered(AXIS[name]))


def test_pieces_of_infrastructure_belong_to_offered_choices() -> None:
    """A piece that a file of infrastructure takes in is called after the choices that it is for, or the file would miss it."""
    pieces = [path.name.split(".") for path in sorted((conftest.ROOT / "extensions/infra").iterdir())]
    choices = {choice for axis in conftest.AXES for choice in conftest.offered(axis)}
    assert pieces and not [parts for parts in pieces if parts[0] not in choices]


def test_the_matter_of_a_task_is_seed(paths: list[str]) -> None:
    """What the task overlays hold is the team's from the first minute, so an update leaves all of it alone."""
    spec = pathspec.GitIgnoreSpec.from_lines(seed_patterns())
    matter = {destination(path) for path in paths if any(AXIS[name] == "task" for name in overlays(path))}
    assert matter == set(spec.match_files(matter)), matter - set(spec.match_files(matter))
