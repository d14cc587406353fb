"""The files under aml/ are sound, and the linter that says so sees each mistake that the SDK lets pass."""

from __future__ import annotations

import shutil
from pathlib import Path

import aml_graph
import aml_runner
import pytest

pytestmark = [
    pytest.mark.platform,
    # Of the libraries that azure-ai-ml is made of.
    pytest.mark.filterwarnings("ignore:::marshmallow"),
    pytest.mark.filterwarnings("ignore:::azure"),
]

ROOT = Path(__file__).parents[1]
FILES = aml_graph.files(ROOT / "aml")
TRAIN = "pipelines/train.yml"
SWEEP = "pipelines/sweep.yml"
EVALUATE = "components/evaluate.yml"
SCORE = "components/score.yml"
MODEL = "model: ${{parent.jobs.train.outputs.model}}"

# File, what stands there, what a slip of the hand makes of it, and what the finding must name.
FAULTS = [
    (TRAIN, "      source: ${{parent", "      sauce: ${{parent", "jobs.prepare.inputs.sauce"),
    (TRAIN, "      source: ${{parent.inputs.source}}\n", "", "jobs.prepare.inputs.source: the component needs it"),
    (TRAIN, "      report: ${{parent", "      rapport: ${{parent", "jobs.evaluate.outputs.rapport"),
    (TRAIN, "${{parent.inputs.source}}", "${{parent.inputs.rows}}", "parent.inputs.rows does not exist"),
    (TRAIN, "${{parent.outputs.report}}", "${{parent.outputs.card}}", "parent.outputs.card does not exist"),
    (TRAIN, MODEL, MODEL.replace("train", "fit"), "parent.jobs.fit.outputs.model does not exist"),
    (TRAIN, MODEL, MODEL.replace("outputs.model", "outputs.net"), "parent.jobs.train.outputs.net does not exist"),
    (TRAIN, MODEL, "model: ${{parent.jobs.prepare.outputs.data}}", "is a uri_folder, not a mlflow_model"),
    (TRAIN, "components/train.yml", "components/fit.yml", "no component file '../components/fit.yml'"),
    (TRAIN, "  config: config/dev.yml", "  config: config/dev.yml\n  seed: 1", "inputs.seed: no job uses it"),
    (TRAIN, "  report: {type: uri_folder}", "  report: {type: uri_folder}\n  log: {type: uri_file}", "outputs.log"),
    (TRAIN, "source: ${{parent.inputs.source}}", "source: ${{parent.jobs.evaluate.outputs.report}}", "a circle"),
    (SWEEP, "      set: {type", "      sat: {type", "jobs.train.inputs.sat"),
    (EVALUATE, "${{inputs.data}}", "${{inputs.rows}}", "inputs.rows is not declared"),
    (EVALUATE, "${{outputs.report}}", "${{output.report}}", "output.report is not declared"),
    (EVALUATE, "  --data ${{inputs.data}}\n", "", "inputs.data: the command does not use it"),
    (EVALUATE, "$[[--champion ${{inputs.champion}}]]", "--champion ${{inputs.champion}}", "stands outside $[[ ]]"),
    (EVALUATE, "code: ../..", "code: ../../source", "no folder ../../source"),
    (EVALUATE, "python src evaluate", "python app.py evaluate", "no app.py in the code folder"),
    (SCORE, "${{inputs.source}}\nmini", "${{inputs.rows}}\nmini", "inputs.rows is not declared"),
    (SCORE, "    --version ${{inputs.version}}\n", "", "inputs.version: the command does not use it"),
    (SCORE, "  code: ../..", "  code: ../../source", "no folder ../../source"),
    (SCORE, "aml/score.py", "aml/submit.py", "no function init in submit.py"),
    (SCORE, "\nerror_threshold: 0", "", "error_threshold: without it"),
    (SCORE, "mini_batch_error_threshold: 0", "mini_batch_error_threshold: -1", "mini_batch_error_threshold: without"),
]


@pytest.fixture
def aml(tmp_path: Path) -> Path:
    """A copy of aml/ in a folder that has the code beside it."""
    (tmp_path / "src").mkdir()
    return Path(shutil.copytree(ROOT / "aml", tmp_path / "aml"))


def test_files_are_sound() -> None:
    """The linter finds nothing in this project's files."""
    assert aml_graph.lint(ROOT / "aml") == []


@pytest.mark.parametrize(("file", "sound", "broken", "named"), FAULTS, ids=[fault[3] for fault in FAULTS])
def test_fault_is_found(aml: Path, file: str, sound: str, broken: str, named: str) -> None:
    """Each fault that the service would refuse is named."""
    text = (aml / file).read_text()
    assert sound in text
    (aml / file).write_text(text.replace(sound, broken))

    findings = aml_graph.lint(aml)

    assert any(named in finding and finding.startswith(file) for finding in findings), findings


def test_nothing_to_check_is_an_error(tmp_path: Path) -> None:
    """A folder without files does not pass for a sound one."""
    with pytest.raises(FileNotFoundError, match="nothing would be checked"):
        aml_graph.lint(tmp_path)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_sdk_loads_file(file: Path) -> None:
    """azure-ai-ml reads each file and finds no fault in it."""
    assert aml_graph.load(file) is not None


def test_every_kind_of_file_is_loaded() -> None:
    """The list of files to load holds components, pipelines, the environment and the data asset."""
    assert {file.parent.name for file in FILES} == {"components", "pipelines", "environments", "data"}


def test_optional_part_of_a_command_needs_its_input() -> None:
    """A $[[...]] stays when its input has a value, an empty one too, and goes when it has none."""
    template = 'run ${{inputs.a}} $[[--set "${{inputs.set}}"]]'
    assert aml_runner.command(template, {"inputs": {"a": 1, "set": None}}) == "run 1 "
    assert aml_runner.command(template, {"inputs": {"a": 1, "set": ""}}) == 'run 1 --set ""'
    assert aml_runner.command(template, {"inputs": {"a": 1, "set": "x=1 y=2"}}) == 'run 1 --set "x=1 y=2"'


def test_image_has_the_projects_python() -> None:
    """The jobs run the Python version that the project is locked for."""
    version = (ROOT / ".python-version").read_text().strip()
    assert f"FROM python:{version}-slim" in (ROOT / "aml/environments/Dockerfile").read_text()
