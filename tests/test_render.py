"""What every offered variant must be: untrusted, deterministic, free of tags, readable by its parsers, portable."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import conftest
import pytest
import yaml
from conftest import IDENTITY, ROOT, Matrix, render, tree, variants
from pytest_copie.plugin import Copie

# A tag, unless a dollar sign makes it an expression of GitHub or Azure ML, or a length in a shell script; or it is a value
# of Databricks, such as {{job.run_id}}, which is written without blanks.
TAG = re.compile(r"(?<!\$)\{(?:\{(?!(?:job|tasks?|input)\b[\w.-]*\}\})|[%#])")
# Rendered lines that only look like a tag, by path, with the reason.
LOOKS_LIKE_TAG: dict[str, str] = {
    r"(?!databricks/submit|tests/(?:test_)?bundle_).*\.py": r"\br?f[\"'].*\{\{",  # a doubled brace in an f-string prints one
    r"(databricks/submit|tests/(test_)?bundle_\w+)\.py": r"\{\{",  # what they read holds values of Databricks
}
WINDOWS_ILLEGAL = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$')
WINDOWS_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
LONGEST_NAME = 20
LONGEST_PATH = 120


def parse_notebook(text: str) -> None:
    """Read a notebook and compile its code cells."""
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            ast.parse("".join(cell["source"]))


PARSERS: dict[str, Callable[[str], object]] = {
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".ipynb": parse_notebook,
    ".yml": lambda text: list(yaml.safe_load_all(text)),
    ".yaml": lambda text: list(yaml.safe_load_all(text)),
}


def leftover_tags(relative: str, content: str) -> list[str]:
    """The lines that still hold a Jinja tag and are not on the list of what only looks like one."""
    allowed = [line for path, line in LOOKS_LIKE_TAG.items() if re.fullmatch(path, relative)]
    found = [line for line in content.splitlines() if TAG.search(line)]
    return [line for line in found if not any(re.search(pattern, line) for pattern in allowed)]


def modes(project: Path) -> dict[str, int]:
    """Whether each file may be executed."""
    return {name: (project / name).stat().st_mode & 0o111 for name in tree(project)}


def longest(path: str) -> int:
    """The length of a path below the project's parent folder, for the longest names that the questions accept."""
    return LONGEST_NAME + 1 + len(path.replace("taxi_fares", "p" * LONGEST_NAME))


def unportable(paths: list[str]) -> list[str]:
    """Paths that Windows cannot hold: illegal signs, devices, or two that differ in letter case only."""
    parts = {path: PurePosixPath(path).parts for path in paths}
    illegal = [
        path
        for path, names in parts.items()
        if any(WINDOWS_ILLEGAL.search(name) or WINDOWS_DEVICE.fullmatch(name) for name in names)
    ]
    folded = Counter(path.casefold() for path in paths)
    return illegal + [path for path in paths if folded[path.casefold()] > 1]


def test_no_variant_needs_trust() -> None:
    """No feature that runs code is used, so neither a user nor an update bot ever passes --trust."""
    settings = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    assert not settings.keys() & {"_tasks", "_jinja_extensions", "_migrations", "_external_data", "_secret_questions"}


def test_answers_come_back(matrix: Matrix) -> None:
    """The answers file records every asked question, with the given answers and no hidden one."""
    for name, project in matrix.projects.items():
        answers = conftest.recorded(project)
        given = IDENTITY | matrix.answers[name]
        asked = {name for name in conftest.questionnaire() if conftest.is_asked(name, given)}
        assert answers.keys() == asked
        assert answers.items() >= {name: answer for name, answer in given.items() if name in asked}.items()


def test_recorded_answers_render_the_same_project(matrix: Matrix, template: Path, tmp_path: Path) -> None:
    """A second render, from the answers that the first one recorded, is the same to the byte. Some variants stand for all."""
    for name in conftest.covering():
        project = matrix.projects[name]
        again = render(template, tmp_path / name, conftest.recorded(project))
        assert tree(again) == tree(project)
        assert modes(again) == modes(project)


def test_few_variants_hold_every_pair_of_choices_and_every_path(matrix: Matrix) -> None:
    """What stands for all variants where each one would take too long."""
    chosen = conftest.covering()
    assert len(chosen) < len(matrix.projects) / 3
    assert {path for name in chosen for path in tree(matrix.projects[name])} == {
        path for project in matrix.projects.values() for path in tree(project)
    }


def test_a_git_source_renders_the_same(matrix: Matrix, template: Path, tmp_path: Path, git_environment: None) -> None:
    """What users get from a git repository is what the matrix holds, modes included; Copier's two own keys aside."""
    source = tmp_path / "source"
    shutil.copytree(template, source)
    conftest.commit_all(source, "v1.0.0")
    name, project = next(iter(matrix.projects.items()))
    from_git = render(source, tmp_path / name, IDENTITY | matrix.answers[name])
    assert conftest.recorded(from_git) == conftest.recorded(project)
    assert modes(from_git) == modes(project)
    different = {path for path, content in tree(from_git).items() if content != tree(project)[path]}
    assert different == {conftest.ANSWERS_FILE}


def test_pytest_copie_renders_the_defaults(copie: Copie, template: Path, matrix: Matrix) -> None:
    """Somebody who answers only the identity questions gets the first variant, through the plugin as through Copier."""
    result = copie.copy(extra_answers=IDENTITY, template_dir=template)
    assert result.exit_code == 0, result.exception
    assert result.project_dir
    assert tree(result.project_dir).keys() == tree(next(iter(matrix.projects.values()))).keys()


def test_the_lowest_supported_copier_renders_the_same(matrix: Matrix, template: Path, tmp_path: Path) -> None:
    """The lowest Copier that copier.yml accepts merges overlays named `.` as the newest does, which Copier does not document."""
    lowest = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))["_min_copier_version"]
    name, project = next(iter(matrix.projects.items()))
    answers = conftest.write_data_file(tmp_path / "answers.yml", {**IDENTITY, **matrix.answers[name]})
    command = ["uvx", "--from", f"copier=={lowest}", "copier", "copy", "--quiet", "--defaults"]
    subprocess.run([*command, "--data-file", answers, template, tmp_path / name], check=True, timeout=300)
    assert tree(tmp_path / name) == tree(project)


def test_no_tag_is_left(matrix: Matrix) -> None:
    """No rendered line still holds Jinja."""
    left = {file.relative: leftover_tags(file.relative, file.content) for file in matrix.unique("**/*")}
    assert not {path: lines for path, lines in left.items() if lines}


@pytest.mark.parametrize("line", ["name: {{ package_name }}", "{% if x %}", "{# note #}"])
def test_a_left_tag_is_found(line: str) -> None:
    """Each kind of Jinja tag is reported, while expressions of GitHub, Azure ML and Databricks are not."""
    fine = "run: ${{ inputs.x }} {{job.parameters.x}} {{tasks.a.values.b}}"
    assert leftover_tags("job.yml", f"{fine}\n{line}\n") == [line]


def test_every_file_parses(matrix: Matrix) -> None:
    """Python, TOML, JSON, notebooks and YAML are read by their own parsers."""
    checked = Counter()  # type: Counter[str]
    for file in matrix.unique("**/*"):
        suffix = Path(file.relative).suffix
        if parse := PARSERS.get(suffix):
            try:
                parse(file.content)
            except Exception as error:
                raise AssertionError(f"{file.relative} in {file.variants}") from error
            checked[suffix] += 1
    assert checked.keys() >= {".py", ".toml", ".yml"}


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".py", "def f(:\n"),
        (".toml", "a = \n"),
        (".json", "{,}"),
        (".yml", "a: [\n"),
        (".ipynb", '{"cells": [{"cell_type": "code", "source": ["def f(:"]}]}'),
    ],
)
def test_a_broken_file_is_found(suffix: str, text: str) -> None:
    """Each parser refuses what is not its language."""
    with pytest.raises((SyntaxError, ValueError, yaml.YAMLError)):
        PARSERS[suffix](text)


def test_text_is_portable(matrix: Matrix) -> None:
    """Files are UTF-8 with line feeds and end in one newline, as their own pre-commit hooks want them."""
    for file in matrix.unique("**/*"):
        assert "\r" not in file.content, file.relative
        assert not file.content or re.search(r"[^\n]\n\Z", file.content), f"{file.relative}: the end of the file"


def test_paths_fit_everywhere(matrix: Matrix) -> None:
    """Windows can hold every path, and the longest one stays under 120 characters with the longest names."""
    for project in matrix.projects.values():
        paths = list(tree(project))
        assert not unportable(paths)
        assert longest(max(paths, key=longest)) < LONGEST_PATH, max(paths, key=longest)


def test_git_ignores_no_file_of_the_template() -> None:
    """A .gitignore below template/ counts here too; a file that it hides would be in no release."""
    command = ("ls-files", "--others", "--ignored", "--exclude-standard", "-z", "template", "extensions", "copier.yml")
    hidden = [name for name in conftest.git(ROOT, *command).split("\0") if name]
    assert not [name for name in hidden if not re.search(r"__pycache__/|_cache/|\.pyc$", name)]


def test_git_ignores_no_file_of_a_project(matrix: Matrix, tmp_path: Path, git_environment: None) -> None:
    """A rendered file that its own project ignores would never be committed, and an update would overwrite it.

    No path follows from more than two choices, so the variants that hold every pair of them hold every path.
    """
    for name in conftest.covering():
        project = matrix.projects[name]
        shutil.copytree(project, tmp_path / name)
        conftest.git(tmp_path / name, "init", "--quiet")
        assert conftest.git(tmp_path / name, "ls-files", "--others", "--ignored", "--exclude-standard") == ""


def test_template_paths_fit_everywhere(template: Path) -> None:
    """A contributor on Windows can check the template out."""
    assert not unportable(list(tree(template)))


@pytest.mark.parametrize("path", ["a:b.py", "docs/aux.md", "src/end.", "what?.md"])
def test_an_unportable_path_is_found(path: str) -> None:
    """Paths that only Unix can hold are reported."""
    assert unportable([path, "fine.py"]) == [path]


def test_paths_that_differ_in_case_are_found() -> None:
    """Two names that Windows takes for one are both reported."""
    assert unportable(["README.md", "readme.md"]) == ["README.md", "readme.md"]


def test_a_misspelt_overlay_stops_the_render(template: Path, tmp_path: Path) -> None:
    """StrictUndefined is on: a folder named after no answer is an error and does not vanish."""
    broken = tmp_path / "template"
    shutil.copytree(template, broken)
    (broken / "template/{{ amll }}").mkdir()
    (broken / "template/{{ amll }}/job.yml").write_text("a: 1\n")
    with pytest.raises(Exception, match="amll"):
        render(broken, tmp_path / "out", IDENTITY | next(iter(variants().values())))


def test_editor_remains_are_not_rendered(template: Path, tmp_path: Path) -> None:
    """What interpreters, editors and operating systems leave in the template reaches no project."""
    littered = tmp_path / "template"
    shutil.copytree(template, littered)
    for litter in ["__pycache__/a.pyc", "a.pyc", ".DS_Store", "notes.md~", ".a.swp", ".ruff_cache/x"]:
        (littered / "template" / litter).parent.mkdir(exist_ok=True)
        (littered / "template" / litter).write_text("litter")
    clean = render(template, tmp_path / "clean", IDENTITY)
    assert tree(render(littered, tmp_path / "out", IDENTITY)).keys() == tree(clean).keys()


def by_matter(matrix: Matrix) -> dict[tuple[str, ...], list[str]]:
    """The names of the variants that differ in platform, CI and infrastructure only, by their type and task."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, answers in matrix.answers.items():
        groups.setdefault((answers["project_type"], answers.get("task", "")), []).append(name)
    return groups


def code(project: Path) -> dict[str, bytes]:
    """What lies under src/, the one module aside that knows the platform."""
    files = {path: content for path, content in tree(project).items() if path.startswith("src/")}
    assert files.pop("src/taxi_fares/registry.py")
    return files


def test_code_knows_neither_platform_nor_ci_nor_infrastructure(matrix: Matrix) -> None:
    """Outside registry.py the source is the same bytes on every platform, under every CI, with every infrastructure."""
    for names in by_matter(matrix).values():
        first = code(matrix.projects[names[0]])
        assert len(names) > 1 and len(first) > 20
        assert all(code(matrix.projects[name]) == first for name in names)


def test_registry_knows_the_platform_alone(matrix: Matrix) -> None:
    """There are as many registry modules as platforms."""
    modules = matrix.unique("src/*/registry.py")
    held = [{matrix.answers[name]["platform"] for name in module.variants} for module in modules]
    assert sorted(map(sorted, held)) == sorted([platform] for platform in conftest.offered("platform"))


def tasks(project: Path, file: str) -> set[str]:
    """The names of the tasks in a file of tasks/, private ones aside."""
    loaded = tomllib.loads((project / "tasks" / file).read_text("utf-8"))
    return {name for name in loaded["tool"]["poe"]["tasks"] if not name.startswith("_")}


@pytest.mark.parametrize(("file", "least"), [("quality.toml", 8), ("platform.toml", 8), ("infra.toml", 5)])
def test_every_variant_has_the_same_tasks(matrix: Matrix, file: str, least: int) -> None:
    """CI, documents and habits name tasks: each name exists for every platform and every infrastructure language."""
    found = {name: tasks(project, file) for name, project in matrix.projects.items()}
    expected = next(iter(found.values()))
    assert len(expected) >= least
    assert not {name: names ^ expected for name, names in found.items() if names != expected}


def test_the_readme_gives_the_test_command() -> None:
    """The README, the script that CI runs and this repository's tests mean the same command."""
    script = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    assert script[-1] in (ROOT / "README.md").read_text("utf-8")
