"""From a question to an answer: guards, search, guards, generator, guards.

Rights are the index's matter; passages that slip through all the same are dropped here. What a stream has shown
is taken back by its last item, if a guard finds fault with the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal, Protocol

from .guard import Guard, injection, personal_data
from .guard.groundedness import Groundedness
from .index.base import Hit, Index
from .rerank import Identity, Reranker

Outcome = Literal["answered", "abstained", "refused"]


@dataclass(frozen=True)
class Citation:
    """A passage that an answer rests on: [1], [2], … in its text, by position in `Answer.citations`."""

    chunk: str
    document: str
    title: str
    heading: str
    quote: str


@dataclass(frozen=True)
class Answer:
    """What a user gets.

    reason: why there is no answer, for `abstained` and `refused`; else empty.
    prompt: SHA-256 of the prompt file that was used; empty where no language model answered.
    tokens_in, tokens_out: as the service counted them; 0 where no language model answered.
    """

    text: str
    citations: tuple[Citation, ...]
    outcome: Outcome
    reason: str = ""
    model: str = "extractive"
    prompt: str = ""
    tokens_in: int = 0
    tokens_out: int = 0


class Generator(Protocol):
    """What writes an answer from passages."""

    # What serving costs, to compare kinds by.
    cost: int

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """An answer with citations, or one that abstains.

        Raises:
            InputError: the service can't be reached or does not answer as it should.
        """

    def stream(self, question: str, hits: Sequence[Hit]) -> Iterator[str | Answer]:
        """The same in pieces of text as they come; the last item is the whole answer."""


# Hits of a search: as many as metrics look at, and enough for a reranker to choose from.
DEPTH = 20
REFUSED = "This question can't be answered here."
UNSUPPORTED = "The documents hold no answer to this question."


@dataclass(frozen=True)
class Guards:
    """What looks at a question, at each passage that was found, and at the answer.

    grounded_at_least: the share of an answer's words that its passages must hold, between 0 and 1.
    """

    question: tuple[Guard, ...] = (personal_data, injection.QUESTIONS)
    passage: tuple[Guard, ...] = (injection.DOCUMENTS,)
    answer: tuple[Guard, ...] = ()
    grounded_at_least: float = 0.6


@dataclass(frozen=True)
class Asked:
    """An answer with what it came from.

    found: what the index gave, best first, before any of it was left out; nothing for a refused question.
    """

    answer: Answer
    found: tuple[Hit, ...]


@dataclass(frozen=True)
class Prices:
    """Of a million tokens that a language model reads and writes, in whatever money they are paid."""

    tokens_in: float = 0
    tokens_out: float = 0

    def of(self, answer: Answer) -> float:
        """What an answer has cost."""
        return (answer.tokens_in * self.tokens_in + answer.tokens_out * self.tokens_out) / 1e6


@dataclass(frozen=True)
class Chain:
    """All that a question goes through.

    passages: that a generator gets at most.
    judge: the language model that judges answers in an evaluation, as MLflow names it, if one does.
    """

    index: Index
    generator: Generator
    guards: Guards = field(default_factory=Guards)
    reranker: Reranker = field(default_factory=Identity)
    passages: int = 6
    prices: Prices = Prices()
    judge: str | None = None

    def answer(self, question: str, groups: Sequence[str]) -> Answer:
        """The answer for a member of one of the groups.

        Raises:
            InputError: a service that is needed can't be reached.
        """
        return self.ask(question, groups).answer

    def ask(self, question: str, groups: Sequence[str]) -> Asked:
        """The same, with what was found."""
        reason = _objection(self.guards.question, question)
        if reason:
            return Asked(_refused(reason), ())
        found = self.index.search(question, groups, DEPTH)
        answer = self.generator.answer(question, self._passages(question, groups, found))
        return Asked(self._checked(answer), tuple(found))

    def stream(self, question: str, groups: Sequence[str]) -> Iterator[str | Answer]:
        """The same in pieces of text as they come; the last item is the whole answer."""
        reason = _objection(self.guards.question, question)
        if reason:
            yield from (REFUSED, _refused(reason))
            return
        found = self.index.search(question, groups, DEPTH)
        for item in self.generator.stream(question, self._passages(question, groups, found)):
            yield self._checked(item) if isinstance(item, Answer) else item

    def _passages(self, question: str, groups: Sequence[str], found: Sequence[Hit]) -> list[Hit]:
        """Of what was found the best that the asker may see and that gives no orders."""
        seen = [hit for hit in found if not set(hit.chunk.groups).isdisjoint(groups)]
        best = self.reranker.rerank(question, seen, DEPTH)
        safe = (hit for hit in best if not _objection(self.guards.passage, _all_text(hit)))
        return list(islice(safe, self.passages))

    def _checked(self, answer: Answer) -> Answer:
        """The answer, or why it may not go out."""
        if answer.outcome != "answered":
            return answer
        grounded = Groundedness([citation.quote for citation in answer.citations], self.guards.grounded_at_least)
        reason = _objection((grounded, *self.guards.answer), answer.text)
        return replace(answer, text=UNSUPPORTED, citations=(), outcome="abstained", reason=reason) if reason else answer


def _objection(guards: Sequence[Guard], text: str) -> str:
    """What the first guard that refuses a text says; empty if none does."""
    verdicts = (guard.check(text) for guard in guards)
    return next((verdict.reason for verdict in verdicts if not verdict.allowed), "")


def _all_text(hit: Hit) -> str:
    return f"{hit.chunk.title}\n\n{hit.chunk.heading}\n\n{hit.chunk.text}"


def _refused(reason: str) -> Answer:
    return Answer(REFUSED, (), "refused", reason, model="")
