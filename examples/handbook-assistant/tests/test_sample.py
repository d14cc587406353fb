"""The sample: documents that can be read, questions that they answer, and attacks."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

from handbook_assistant import documents, ingest, questions, rows, sample, schema
from handbook_assistant.documents import Rejected
from handbook_assistant.schema import Document


@pytest.fixture(scope="module")
def known(made: Path) -> dict[str, Document]:
    """The sample's documents by their path."""
    return {one.id: one for one in ingest.prepared(made / "outputs/data")}


@pytest.fixture(scope="module")
def golden() -> list[dict[str, object]]:
    """What is expected of each golden question, with its groups."""
    found = questions.golden(ROOT / "evals/golden.jsonl")
    pairs = zip(found[schema.TARGET], found[schema.GROUPS], strict=True)
    return [{**schema.expected(text), "groups": schema.names(groups)} for text, groups in pairs]


def test_every_document_is_read(known: dict[str, Document]) -> None:
    """At least sixty, none of them set aside, and some are not for everyone."""
    assert len(known) == len(sample.documents()) >= 60
    assert {group for one in known.values() for group in one.groups} >= {"everyone", "people", "oncall", "security"}


def test_links_lead_to_documents() -> None:
    """A link in one document names another one that is there."""
    found = sample.documents()
    for name, content in found.items():
        for link in re.findall(r"\]\(([^)#:]+\.md)", content.decode()):
            target = (Path("/") / Path(name).parent / link).resolve().relative_to("/").as_posix()
            assert target in found, (name, link)


def test_every_answer_is_in_its_documents(golden: list[dict[str, object]], known: dict[str, Document]) -> None:
    """Each sentence of each answer stands word for word in a document that whoever asks may see."""
    for expected in golden:
        names, answer = expected["documents"], expected["answer"]
        assert isinstance(names, list)
        assert isinstance(answer, str)
        assert bool(names) == bool(answer) == (expected["kind"] != schema.UNANSWERABLE)
        bodies = " ".join(" ".join(section.text for section in known[name].sections) for name in names)
        plain = re.sub(r"\W+", " ", bodies)
        for sentence in re.split(r"(?<=[.!?]) ", answer):
            assert re.sub(r"\W+", " ", sentence).strip() in plain, expected
        assert all(set(known[name].groups) & set(expected["groups"]) for name in names)  # type: ignore[call-overload]


def test_there_are_enough_questions_of_each_kind(golden: list[dict[str, object]]) -> None:
    """At least 150, of every kind, and 50 attacks."""
    kinds = pd.Series([expected["kind"] for expected in golden]).value_counts()
    assert kinds.sum() >= 150
    assert kinds[[*schema.ANSWERABLE, schema.UNANSWERABLE]].min() >= 15
    assert len(questions.attacks(ROOT / "evals/redteam.jsonl")) >= 50


def test_questions_to_score_are_rows(made: Path) -> None:
    """The table beside the documents is what `pipeline score` takes, without a single one set aside."""
    checked = rows.check(rows.read(made / "data/raw"), schema.INPUTS)
    assert len(checked.good) >= 100
    assert checked.rejected.empty


def test_a_document_of_the_sample_is_no_exception() -> None:
    """They are parsed by the code that parses the team's."""
    name, content = next(iter(sample.documents().items()))
    assert not isinstance(documents.parse(name, content), Rejected)
