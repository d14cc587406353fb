"""Judges: MLflow's own, asking a language model on this computer through OpenAI's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Pipeline
from loopback import Answer, Request
from model_service import TOKEN, ModelService, completion, token

ASKED = ["--set", "train.judge=openai:/tiny"]


class Judge(ModelService):
    """Says yes to groundedness and no to correctness: the former is asked about a document alone."""

    def answer(self, request: Request) -> Answer:
        if token(request) not in self.tokens:
            return Answer({"error": {"message": "Incorrect key", "code": "invalid_api_key"}}, 401)
        text = request.body["messages"][0]["content"]
        verdict = "no" if "in the context of the question" in text else "yes"
        return completion(json.dumps({"rationale": "for this test", "result": verdict}))


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelService]:
    """A judge that is reached as any service is."""
    with Judge() as running:
        monkeypatch.setenv("OPENAI_API_KEY", TOKEN)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{running.address}/v1")
        yield running


def few(project: Path) -> None:
    """Leave a few golden questions: a judge takes its time."""
    path = project / "evals/golden.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[::16]))
    base = project / "config/base.yml"
    base.write_text(base.read_text().replace("minimum_rows: 10", "minimum_rows: 1000"))


def test_verdicts_are_in_the_report(trained: Path, judge: ModelService, pipeline: Pipeline) -> None:
    """The same metrics.json and card hold them, beside what needs no model."""
    few(trained)
    for step in ("prepare", "train"):
        assert pipeline(step, *ASKED).code == 0
    pipeline("evaluate", *ASKED)
    found = json.loads((trained / "outputs/report/metrics.json").read_text())
    assert (found["judge_groundedness"], found["judge_correctness"]) == (1.0, 0.0)
    assert "recall_at_5" in found
    assert "judge_groundedness" in (trained / "outputs/report/model_card.md").read_text()
    assert judge.requests


def test_a_judge_that_refuses_stops_the_evaluation(trained: Path, judge: ModelService, pipeline: Pipeline) -> None:
    """No verdict is not a good one; one line tells it, and holds no key."""
    few(trained)
    for step in ("prepare", "train"):
        assert pipeline(step, *ASKED).code == 0
    judge.tokens = {"another"}
    done = pipeline("evaluate", *ASKED)
    done.refused(2, "openai:/tiny", "check its name")
    assert TOKEN not in done.err
