"""What monitoring looks at beyond questions: relevance, age, cost, and what people think."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import Pipeline

from handbook_assistant import feedback, operations
from handbook_assistant.chain import Answer
from handbook_assistant.errors import InputError
from handbook_assistant.settings import Monitor

MODEL = ["--model", "outputs/model"]
SCORED = pd.DataFrame({"prediction": ["answered"] * 3 + ["abstained"], "cost": [0.0, 0.01, 0.02, 0.01]})


def rate(path: Path, up: int, down: int) -> None:
    """Ratings of as many answers."""
    store = feedback.Store(path)
    for rating in ["up"] * up + ["down"] * down:
        answer = Answer("A canary is a release.", (), "answered")
        name = store.keep("What is a canary?", ["everyone"], answer, "1", 5.0)
        store.rate(feedback.Rated(f"of {name}", name, "up" if rating == "up" else "down"))
    store.close()


def test_cost_and_silence_are_told() -> None:
    """The report has the mean cost and the share of abstentions; only a limit makes a reason of them."""
    values, reasons = operations.signals(SCORED, Monitor())
    assert values == {"abstained": 0.25, "cost_per_answer": pytest.approx(0.01)}
    assert reasons == []
    assert "0.005" in operations.signals(SCORED, Monitor(cost_at_most=0.005))[1][0]


def test_bad_ratings_ask_for_better_documents(tmp_path: Path) -> None:
    """When enough people rate and too many of them rate down, and not before."""
    path = tmp_path / "feedback.db"
    limits = Monitor(feedback=path, minimum_ratings=5)
    assert "rated" not in operations.signals(SCORED, limits)[0]
    rate(path, up=2, down=2)
    assert operations.signals(SCORED, limits)[1] == []
    rate(path, up=0, down=2)
    values, reasons = operations.signals(SCORED, limits)
    assert values["rated"] == 6
    assert values["rated_down"] == pytest.approx(4 / 6)
    assert reasons == ["67% of 6 ratings are bad"]


def test_a_damaged_file_of_feedback_is_told(tmp_path: Path) -> None:
    """It is no file without complaints."""
    (tmp_path / "feedback.db").write_bytes(b"nonsense" * 100)
    with pytest.raises(InputError, match=r"feedback\.db"):
        operations.signals(SCORED, Monitor(feedback=tmp_path / "feedback.db"))


def decision(project: Path) -> dict[str, object]:
    """The content of retrain.json."""
    found: dict[str, object] = json.loads((project / "outputs/monitoring/retrain.json").read_text())
    return found


def test_an_old_index_asks_for_a_new_one(trained: Path, pipeline: Pipeline) -> None:
    """What the documents said a month ago may no longer hold, even when people ask what they always did."""
    description = trained / "outputs/model/MLmodel"
    content = yaml.safe_load(description.read_text())
    description.write_text(yaml.safe_dump({**content, "utc_time_created": "2024-02-29 12:00:00.000000"}))
    assert pipeline("score", *MODEL).code == 0
    assert pipeline("monitor", *MODEL).code == 0
    assert decision(trained)["retrain"] is True
    assert "days old" in str(decision(trained)["reasons"])


def test_documents_that_no_longer_fit_are_noticed(trained: Path, pipeline: Pipeline) -> None:
    """Questions that the documents do not answer lower the relevance and raise the abstentions."""
    rows = pd.DataFrame(
        {
            "question_id": [f"n{number}" for number in range(80)],
            "question": [f"Which recipe for bread number {number} needs rye and caraway?" for number in range(80)],
            "groups": "everyone",
        }
    )
    rows.to_csv(trained / "new.csv", index=False)
    assert pipeline("score", "--source", "new.csv", *MODEL).code == 0
    assert pipeline("monitor", "--source", "new.csv", *MODEL).code == 0
    reasons = str(decision(trained)["reasons"])
    assert "predictions have drifted" in reasons
    assert "relevance has drifted" in reasons
