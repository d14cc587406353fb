"""Answers that are quoted: which sentences, from which passages, and when there are none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handbook_assistant.chain import Answer
from handbook_assistant.chunks import sentences
from handbook_assistant.generate.extractive import LONGEST, PASSAGES, SENTENCES, Extractive
from handbook_assistant.index.base import Hit
from handbook_assistant.schema import Chunk
from handbook_assistant.words import content, stem

CANARY = (
    "A canary release sends a small share of the traffic to the new version. Watch the errors of the new version "
    "closely. It is rolled back when they rise."
)
ROLLBACK = "A rollback brings back the version before. Practise a rollback every quarter, so that it works at night."
COST = "The bill of a cluster grows with its idle time. Switch off what nobody uses."


def hits(*texts: str, relevance: float = 0.9, title: str = "Releases") -> list[Hit]:
    made = [Chunk(f"c{n}", f"d{n}.md", title, "", text, ("everyone",), "", "0" * 64) for n, text in enumerate(texts)]
    return [Hit(chunk, 1 / (1 + n), relevance) for n, chunk in enumerate(made)]


def ask(question: str, *texts: str) -> Answer:
    return Extractive().answer(question, hits(*texts))


def test_the_sentence_that_fits_is_quoted_with_its_passage() -> None:
    """The answer is a sentence word for word, and the mark after it leads to where it stands."""
    answer = ask("What is a canary release?", ROLLBACK, CANARY, COST)
    assert answer.text == "A canary release sends a small share of the traffic to the new version. [1]"
    assert [citation.chunk for citation in answer.citations] == ["c1"]
    assert (answer.outcome, answer.model, answer.tokens_out) == ("answered", "extractive", 0)


def test_each_part_of_a_question_is_answered() -> None:
    """A question of two parts gets a sentence for each, from as many passages."""
    answer = ask("What does a canary release do, and how often should I practise a rollback?", CANARY, ROLLBACK)
    assert [citation.document for citation in answer.citations] == ["d0.md", "d1.md"]
    assert answer.text.endswith("works at night. [2]")


def test_other_forms_of_a_word_fit_too() -> None:
    """Plural, -ing and -ed are no other words."""
    assert "rollback every quarter" in ask("How often are rollbacks practised, each quarter?", COST, ROLLBACK).text


def test_a_sentence_brings_what_it_leans_on() -> None:
    """A sentence that begins with a pronoun is quoted after the one before it."""
    quotes = [citation.quote for citation in ask("When is something rolled back?", CANARY).citations]
    assert quotes == ["Watch the errors of the new version closely.", "It is rolled back when they rise."]


def test_a_row_of_a_table_loses_against_a_sentence() -> None:
    """Where a sentence and a fragment fit equally well, the sentence is quoted."""
    texts = ("canary release | small share | new version", CANARY)
    assert ask("What is a canary release?", "\n\n".join(texts)).text.startswith("A canary release sends")


def test_the_better_passage_wins_a_tie() -> None:
    """Equal sentences are quoted once, from the passage that the search found better."""
    answer = ask("What is a canary release?", CANARY, CANARY)
    assert [citation.chunk for citation in answer.citations] == ["c0"]


def test_irrelevant_passages_give_no_answer() -> None:
    """Below the threshold the answer abstains, and says how far it was off."""
    answer = Extractive(relevance_at_least=0.5).answer("What is a canary release?", hits(CANARY, relevance=0.31))
    assert (answer.outcome, answer.citations) == ("abstained", ())
    assert answer.reason == "no passage is relevant enough: 0.31, and 0.50 is needed"
    assert Extractive(relevance_at_least=0.31).answer("A canary?", hits(CANARY, relevance=0.31)).outcome == "answered"


@pytest.mark.parametrize("question", ["Who won the football cup?", "Why?", "…", "\u0000", "その理由は"])
def test_nothing_in_common_gives_no_answer(question: str) -> None:
    """A question that shares no word with any sentence is not answered, whatever the search says."""
    assert ask(question, CANARY, ROLLBACK).reason == "no sentence shares a word with the question"


def test_without_passages_there_is_no_answer() -> None:
    """Nothing found is an abstention and no error."""
    assert Extractive().answer("What is a canary release?", []).outcome == "abstained"


def test_a_listing_is_not_quoted() -> None:
    """What is longer than anybody reads in an answer is passed over."""
    assert ask("canary", "canary " * LONGEST).outcome == "abstained"


@pytest.mark.parametrize("question", ["What is a canary release, and what is a rollback?", "Who won the cup?"])
def test_a_stream_is_the_answer_in_pieces(question: str) -> None:
    """The pieces together are the text of the answer, and the last item is what `answer` returns."""
    found = hits(CANARY, ROLLBACK)
    *pieces, last = Extractive().stream(question, found)
    assert last == Extractive().answer(question, found)
    assert "".join(str(piece) for piece in pieces) == last.text


WORDS = st.sampled_from(("canary", "release", "it", "rollback", "night", "of", "3.5", "|", "?", ".", "!", "\n\n", "a"))
TEXTS = st.lists(WORDS, max_size=40).map(" ".join)


@given(question=TEXTS, texts=st.lists(TEXTS, max_size=6))
def test_whatever_is_asked_quotes_stand_in_their_passages(question: str, texts: Sequence[str]) -> None:
    """Every quote is a sentence of the passage that it names, and there are few of them, each once."""
    found = hits(*texts)
    answer = Extractive().answer(question, found)
    passages = {hit.chunk.id: hit.chunk.text for hit in found}
    assert all(citation.quote in sentences(passages[citation.chunk]) for citation in answer.citations)
    assert len(answer.citations) <= SENTENCES
    assert len({citation.chunk for citation in answer.citations}) <= PASSAGES
    assert (answer.outcome == "answered") == bool(answer.citations)
    assert all(f"[{number}]" in answer.text for number in range(1, len(answer.citations) + 1))


@pytest.mark.parametrize(
    ("one", "other"), [("models", "model"), ("planned", "plans"), ("queries", "query"), ("labelling", "labelled")]
)
def test_forms_of_a_word_share_their_stem(one: str, other: str) -> None:
    """Inflections of a word are the same word."""
    assert stem(one) == stem(other)


def test_words_that_carry_no_meaning_are_left_out() -> None:
    """Function words, case and accents make no difference; numbers are words."""
    assert content("What is the RÉSUMÉ of 42?") == content("resume 42")
