"""The champion's losses in git: what a pull request is compared with where there is no registry."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, Pipeline

from handbook_assistant import champion
from handbook_assistant.errors import InputError


@pytest.fixture
def compared(trained: Path) -> Path:
    """A project without a registry that compares with losses in git, and with nothing else."""
    base = trained / "config/base.yml"
    settings = yaml.safe_load(base.read_text())
    settings["gate"] |= {"floors": {}, "slices": {"metric": "success"}, "champion": "evals/champion.jsonl"}
    base.write_text(yaml.safe_dump(settings))
    return trained


def decision(project: Path) -> dict[str, object]:
    """The content of gate.json."""
    found: dict[str, object] = json.loads((project / "outputs/report/gate.json").read_text())
    return found


def test_the_sample_is_as_good_as_its_committed_champion(compared: Path, pipeline: Pipeline) -> None:
    """The project passes against the losses that come with it, on all of its questions for testing."""
    assert pipeline("evaluate").code == 0
    comparison = decision(compared)["comparison"]
    assert isinstance(comparison, dict)
    assert comparison["rows"] == decision(compared)["rows"]
    assert abs(comparison["difference"]) < 0.01
    assert decision(compared)["champion"] is None


def test_a_worse_model_is_refused_without_a_registry(compared: Path, worse: Path, pipeline: Pipeline) -> None:
    """No floor stands in its way, but the losses in git do."""
    pipeline("evaluate", "--model", worse).refused(1, "champion", "interval")


def test_losses_are_those_of_the_report(evaluated: Path) -> None:
    """A line for each question, in the order of their ids; the file of the project is made so."""
    shutil.copytree(evaluated / "outputs/report", evaluated / "report")
    count = champion.accept(evaluated / "report", evaluated / "new/champion.jsonl")
    lines = (evaluated / "new/champion.jsonl").read_text().splitlines()
    assert len(lines) == count == decision(evaluated)["rows"]
    ids = [json.loads(line)["id"] for line in lines]
    assert ids == sorted(ids)
    assert ids == [json.loads(line)["id"] for line in (ROOT / "evals/champion.jsonl").read_text().splitlines()]


def test_a_refused_model_is_no_champion(evaluated: Path) -> None:
    """Nor is one without a report; the file stays as it was."""
    gate = evaluated / "outputs/report/gate.json"
    gate.write_text(json.dumps(decision(evaluated) | {"passed": False, "reasons": ["too slow"]}))
    before = (evaluated / "evals/champion.jsonl").read_bytes()
    with pytest.raises(InputError, match="too slow"):
        champion.accept(evaluated / "outputs/report", evaluated / "evals/champion.jsonl")
    assert (evaluated / "evals/champion.jsonl").read_bytes() == before
    with pytest.raises(InputError, match=r"gate\.json"):
        champion.accept(evaluated / "nowhere", evaluated / "evals/champion.jsonl")


@pytest.mark.parametrize("content", ["nonsense", '{"id": "a"}', '{"id": "a", "loss": 1}\n{"id": "a", "loss": 0}'])
def test_a_broken_file_is_told(content: str, compared: Path, pipeline: Pipeline) -> None:
    """Losses that are none, or twice for one question, stop the evaluation in one line."""
    (compared / "evals/champion.jsonl").write_text(content)
    pipeline("evaluate").refused(2, "champion.jsonl", "make it anew")


def test_losses_of_other_questions_are_told(compared: Path, pipeline: Pipeline) -> None:
    """A comparison with nothing in common would pass anything."""
    (compared / "evals/champion.jsonl").write_text('{"id": "stranger", "loss": 0.5}\n')
    pipeline("evaluate").refused(2, "none of the test rows")
