"""Labels proposed by a language model: measured first, limited to ours, never asked for twice, never trusted unseen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import language_service
import pandas as pd
import pytest
from conftest import Outcome, Pipeline
from language_service import Reply, Service

from ticket_router import prelabel, rows, sample, schema

ROOT = Path(__file__).parents[1]
TICKETS = sample.rows()
HOLDOUT, NEW = TICKETS.iloc[:60], TICKETS.iloc[100:130].drop(columns=schema.TARGET)
LABELS = TICKETS.set_index("text")[schema.TARGET]


def said(label: str) -> str:
    """The content of a good answer."""
    return json.dumps({schema.TARGET: label})


def as_people(text: str) -> str:
    """Answer what people have answered."""
    return said(LABELS[text])


@pytest.fixture
def service(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service that agrees with people, known to the environment, and tables to ask it about."""
    (project / "prompts").mkdir()
    (project / "prompts/prelabel.md").write_text((ROOT / "prompts/prelabel.md").read_text())
    HOLDOUT.to_csv(project / "holdout.csv", index=False)
    NEW.to_csv(project / "new.csv", index=False)
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    with language_service.serving(as_people) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
        yield running


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str) -> Outcome:
    """Run `python -m <package>.prelabel` in this process."""
    command = ["prelabel", "--source", "new.csv", "--labels", "out/labels.csv", *more]
    monkeypatch.setattr(sys, "argv", command)
    capsys.readouterr()
    code: object = 0
    try:
        prelabel.main()
    except SystemExit as stop:
        code = stop.code or 0
    printed = capsys.readouterr()
    assert isinstance(code, int)
    return Outcome(code, printed.out, printed.err)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pipeline:
    """Run the command with more arguments."""
    return lambda *more: run(monkeypatch, capsys, *map(str, more))


def test_texts_get_the_labels_that_the_model_proposes(service: Service, project: Path, command: Pipeline) -> None:
    """After a good holdout each new row has its label, with the model, the prompt, and that it was not a person."""
    done = command("--holdout", "holdout.csv", "--model", "some-model")
    assert done.code == 0, done
    proposed = pd.read_csv(project / "out/labels.csv")
    assert proposed[schema.ID].tolist() == NEW[schema.ID].tolist()
    assert proposed[schema.TARGET].tolist() == LABELS[NEW["text"]].tolist()
    assert proposed["text"].tolist() == NEW["text"].tolist()
    assert set(proposed[schema.LABELLED_BY]) == {"model"}
    assert set(proposed["model"]) == {"some-model"}
    agreement = json.loads((project / "out/agreement.json").read_text())
    assert (agreement["kappa"], agreement["rows"]) == (1, 60)
    assert set(proposed["prompt"]) == {agreement["prompt"]}
    assert "some-model" in (project / "out/agreement.md").read_text()


def test_the_model_is_held_to_our_labels(service: Service, project: Path, command: Pipeline) -> None:
    """The request carries the prompt of the project, a schema of our labels, and the key of the environment."""
    command("--holdout", "holdout.csv")
    request = service.requests[0]
    answers = request["response_format"]["json_schema"]["schema"]["properties"][schema.TARGET]["enum"]
    assert set(schema.CLASSES) < set(answers)
    assert request["messages"][0]["content"] == (project / "prompts/prelabel.md").read_text()
    assert set(service.authorizations) == {"Bearer a-key"}


def test_too_little_agreement_labels_nothing(service: Service, project: Path, command: Pipeline) -> None:
    """A model that says the same of everything is refused with its kappa, and asked about no new text."""
    service.answer = lambda _: said("refund")
    command("--holdout", "holdout.csv").refused(1, "kappa", "0.8", "agreement.md")
    assert not (project / "out/labels.csv").exists()
    assert not set(service.texts()) & set(NEW["text"])
    assert json.loads((project / "out/agreement.json").read_text())["kappa"] < 0.1
    # Not either without the holdout, whose result is known.
    command().refused(1, "kappa")
    assert len(service.requests) == len(HOLDOUT)


def test_a_model_that_was_not_measured_is_refused(service: Service, command: Pipeline) -> None:
    """Without a holdout there must be a measurement of this model with this prompt."""
    command().refused(2, "--holdout")
    assert command("--holdout", "holdout.csv").code == 0
    assert command().code == 0
    command("--model", "another").refused(2, "another", "--holdout")
    Path("prompts/prelabel.md").write_text("Guess: " + " ".join(schema.CLASSES))
    command().refused(2, "--holdout")


def test_what_is_known_is_not_asked_again(service: Service, project: Path, command: Pipeline) -> None:
    """Broken off in the middle of a line, the work goes on with the rows that are not there whole."""
    assert command("--holdout", "holdout.csv").code == 0
    before = pd.read_csv(project / "out/labels.csv")
    lines = before.head(12).to_csv(index=False).rstrip("\n")
    (project / "out/labels.csv").write_text(lines[: -len("model")].rstrip(",").rsplit(",", 1)[0] + "\n")
    service.requests.clear()
    assert command().code == 0
    assert set(service.texts()) == set(NEW["text"].iloc[11:])
    after = pd.read_csv(project / "out/labels.csv")
    pd.testing.assert_frame_equal(after, before)
    service.requests.clear()
    assert command().code == 0
    assert service.requests == []


NO_LABEL = {
    "prose": "The intent is clearly refund.",
    "label in prose": 'Sure! {"intent": "refund"}',
    "another label": said("complaint"),
    "unclear": said("unclear"),
    "no object": '"refund"',
    "a list": json.dumps({schema.TARGET: ["refund"]}),
    "cut off": '{"intent": "ref',
    "nothing": "",
}


@pytest.mark.parametrize("name", NO_LABEL)
def test_anything_but_a_label_is_an_abstention(name: str) -> None:
    """What is not exactly an answer in our format with one of our labels is none."""
    assert prelabel.label_in(NO_LABEL[name]) is None
    assert prelabel.label_in(said("refund")) == "refund"


def test_unusable_answers_are_empty_labels(service: Service, project: Path, command: Pipeline) -> None:
    """Prose, strange labels, a filter's refusal and a reply without choices leave rows unlabelled and stop nothing."""
    assert command("--holdout", "holdout.csv").code == 0
    (project / "out/labels.csv").unlink()
    odd: list[str | Reply] = [
        NO_LABEL["prose"],
        NO_LABEL["another label"],
        language_service.refusal(400, "content_filter"),
        (200, {}, {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": []}),
    ]
    replies = dict(zip(NEW["text"], odd, strict=False))
    service.answer = lambda text: replies.get(text) or as_people(text)
    done = command()
    assert done.code == 0, done
    assert "26 labels proposed, 4 without" in done.out
    proposed = pd.read_csv(project / "out/labels.csv")[schema.TARGET]
    assert proposed.isna().tolist() == [True] * 4 + [False] * 26


def test_abstentions_count_against_the_model(service: Service, project: Path, command: Pipeline) -> None:
    """A model that is right wherever it answers is refused when it answers too seldom."""
    quiet = set(HOLDOUT["text"].iloc[::2])
    service.answer = lambda text: said("unclear") if text in quiet else as_people(text)
    command("--holdout", "holdout.csv").refused(1, "kappa")
    assert json.loads((project / "out/agreement.json").read_text())["abstained"] == 0.5


def test_a_busy_service_is_asked_again(service: Service, command: Pipeline) -> None:
    """After 429 with Retry-After the client waits and asks once more."""
    first = HOLDOUT["text"].iloc[0]
    refusals = [language_service.refusal(429, "rate_limit", Retry_After="0.01")]
    service.answer = lambda text: refusals.pop() if text == first and refusals else as_people(text)
    assert command("--holdout", "holdout.csv").code == 0
    assert service.texts().count(first) == 2


@pytest.mark.parametrize(("status", "code"), [(401, "invalid_api_key"), (404, "model_not_found"), (400, "bad_schema")])
def test_a_service_that_refuses_is_one_line(
    status: int, code: str, service: Service, project: Path, command: Pipeline
) -> None:
    """A wrong key or model is told in one line, without the key."""
    service.answer = lambda _: language_service.refusal(status, code)
    done = command("--holdout", "holdout.csv")
    done.refused(2, "refused", code)
    assert "a-key" not in done.err
    assert not (project / "out/labels.csv").exists()


def test_a_refusal_on_the_way_keeps_what_is_done(service: Service, project: Path, command: Pipeline) -> None:
    """The batches before the refusal are written down, and not asked about again."""
    assert command("--holdout", "holdout.csv").code == 0
    (project / "out/labels.csv").unlink()
    last = NEW["text"].iloc[-1]
    service.answer = lambda text: language_service.refusal(401, "expired") if text == last else as_people(text)
    command().refused(2, "expired")
    assert len(pd.read_csv(project / "out/labels.csv")) == prelabel.BATCH
    service.answer = as_people
    assert command().code == 0
    assert len(pd.read_csv(project / "out/labels.csv")) == len(NEW)


def test_an_identity_takes_the_place_of_a_key(
    service: Service, monkeypatch: pytest.MonkeyPatch, command: Pipeline
) -> None:
    """On Azure the token of whoever runs the command goes with each request; no key is needed."""
    for name in [name for name in os.environ if name.startswith(("AZURE_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", service.url)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{service.url}/identity")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    done = command("--holdout", "holdout.csv")
    assert done.code == 0, done
    assert set(service.authorizations) == {"Bearer token-of-an-identity"}


def test_bad_input_is_one_line(
    service: Service, project: Path, monkeypatch: pytest.MonkeyPatch, command: Pipeline
) -> None:
    """What is wrong with files and options is told in one line, before anything is asked."""
    HOLDOUT.head(9).to_csv("small.csv", index=False)
    HOLDOUT.assign(**{schema.LABELLED_BY: "model"}).to_csv("circular.csv", index=False)
    Path("short.md").write_text("Label it.")
    command("--holdout", "small.csv").refused(2, "9 labelled rows", "50")
    command("--holdout", "circular.csv").refused(2, "that a person has given")
    command("--holdout", "none.csv").refused(2, "none.csv")
    command("--prompt", "short.md").refused(2, "short.md", "account_locked")
    command("--prompt", "none.md").refused(2, "none.md")
    command("--labels", "out/labels.parquet").refused(2, ".csv")
    command("--labels", "new.csv", "--holdout", "holdout.csv").refused(2, "new.csv", schema.LABELLED_BY)
    monkeypatch.delenv("OPENAI_API_KEY")
    command("--holdout", "holdout.csv").refused(2, "OPENAI_API_KEY")
    assert set(service.texts()) <= set(HOLDOUT["text"])


def test_proposals_are_not_trained_on_unseen(service: Service, project: Path, command: Pipeline) -> None:
    """What the model has labelled is set aside by the pipeline until a person says that it is right."""
    assert command("--holdout", "holdout.csv").code == 0
    proposed = pd.read_csv(project / "out/labels.csv")
    together = pd.concat([TICKETS.iloc[1000:2000], proposed], ignore_index=True)
    checked = rows.check(together, schema.ROWS)
    assert set(checked.rejected[schema.ID]) == set(NEW[schema.ID])
    assert checked.rejected[rows.REASON].str.contains("that a person has given").all()
    assert set(checked.good[schema.LABELLED_BY]) == {"human"}
    confirmed = together.assign(**{schema.LABELLED_BY: "human"})
    assert rows.check(confirmed, schema.ROWS).rejected.empty


def test_the_module_is_a_command() -> None:
    """`python -m` explains itself, without the libraries of the service."""
    done = subprocess.run(
        [sys.executable, "-m", prelabel.__name__, "--help"], capture_output=True, text=True, check=True
    )
    assert "--kappa-at-least" in done.stdout
