"""The gate turns red, with a reason, for an index that lost its way, a prompt that is broken, and a filter that
leaks."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import obedient
import pytest
from conftest import Pipeline
from loopback import Answer, Request
from model_service import TOKEN, ModelService, completion

MODEL = Path("outputs/model")
INDEX = Path("data/chain/index.sqlite")


class Obedient(ModelService):
    """It, behind OpenAI's API."""

    def answer(self, request: Request) -> Answer:
        return completion(obedient.reply(request.body["messages"]))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelService]:
    """The model behind OpenAI's API."""
    monkeypatch.setenv("OPENAI_API_KEY", TOKEN)
    with Obedient() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{running.address}/v1")
        yield running


def reasons(project: Path) -> str:
    """Why the gate refused."""
    found = json.loads((project / "outputs/report/gate.json").read_text())
    assert found["passed"] is False
    return "; ".join(found["reasons"])


def change(model: Path, *statements: str) -> Path:
    """A copy of a model in whose index something has changed."""
    copy = model.with_name("changed")
    shutil.copytree(model, copy)
    with closing(sqlite3.connect(copy / INDEX)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
        connection.execute("UPDATE about SET value = 'changed' WHERE name = 'revision'")
    return copy


def test_an_index_without_half_of_its_passages_is_refused(trained: Path, pipeline: Pipeline) -> None:
    """What is lost can't be found, and the gate says by how much."""
    model = change(MODEL, "DELETE FROM chunks WHERE number % 2 = 0")
    pipeline("evaluate", "--model", model).refused(1, "recall_at_5", "required")
    assert "answer_f1" in reasons(trained)


def test_an_index_without_vectors_loses_to_the_champion(trained: Path, pipeline: Pipeline) -> None:
    """A worse ranking alone, which keeps every floor, is refused by the comparison with what serves."""
    base = Path("config/base.yml")
    base.write_text(re.sub(r"floors:\n(?:    .*\n)+", "floors: {}\n", base.read_text()))
    model = change(MODEL, "DELETE FROM chunks WHERE number % 4 = 0")
    pipeline("evaluate", "--model", model, "--champion", MODEL).refused(1, "champion", "interval")


def test_a_filter_that_leaks_is_refused(trained: Path, pipeline: Pipeline) -> None:
    """Passages of some that everyone finds turn the gate red, although the chain would not have shown them."""
    hidden = """SELECT number, 'everyone' FROM chunks WHERE groups NOT LIKE '%"everyone"%'"""
    model = change(MODEL, f"INSERT INTO access {hidden}")
    pipeline("evaluate", "--model", model).refused(1, "access_leaks")
    assert "at most 0 required" in reasons(trained)


def test_a_filter_that_lets_strangers_in_is_refused(trained: Path, pipeline: Pipeline) -> None:
    """Nor may somebody without any group find what everyone may see: then the filter does nothing at all."""
    model = change(MODEL, """INSERT INTO access SELECT number, 'nobody''s group' FROM chunks LIMIT 1""")
    pipeline("evaluate", "--model", model).refused(1, "access_leaks")


ASKED = ["--set", "train.generator=openai train.model=tiny"]


@pytest.mark.usefixtures("service")
def test_a_prompt_that_is_sound_passes(trained: Path, pipeline: Pipeline) -> None:
    """A language model with the project's prompt keeps the floors, and the answers carry the prompt's digest."""
    assert pipeline("train", *ASKED).code == 0
    done = pipeline("evaluate", *ASKED)
    assert done.code == 0, done


@pytest.mark.usefixtures("service")
def test_a_broken_prompt_is_refused(trained: Path, pipeline: Pipeline) -> None:
    """A prompt that no longer asks for citations gives answers that nobody can check, and the gate says so."""
    prompt = trained / "prompts/answer.md"
    prompt.write_text(re.sub(r"- After each sentence.*\n", "", prompt.read_text()))
    assert pipeline("train", *ASKED).code == 0
    pipeline("evaluate", *ASKED).refused(1, "answer_f1", "required")
    assert "abstention_precision" in reasons(trained)


def test_a_prompt_that_asks_nothing_is_no_prompt(trained: Path, pipeline: Pipeline) -> None:
    """A prompt without its placeholders, or that is not there, stops the training in one line."""
    prompt = trained / "prompts/answer.md"
    prompt.write_text(prompt.read_text().replace("{passages}", ""))
    pipeline("train", *ASKED, "--set", "train.model_endpoint=http://127.0.0.1:9/v1").refused(2, "{passages}")
    prompt.unlink()
    pipeline("train", *ASKED, "--set", "train.model_endpoint=http://127.0.0.1:9/v1").refused(2, "answer.md")
