"""Answers without a model: the sentences of the passages that fit the question best, word for word.

A sentence fits by the question's words that it holds; a word that few of the found sentences hold weighs more. The
next one is taken only for what the ones before leave open. A question that asks two things ("…, and how …") has each
part answered by itself. A sentence that leans on the one before it ("It …") brings that along.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

from ..chain import Answer, Citation
from ..chunks import sentences
from ..index.base import Hit
from ..schema import Chunk
from ..words import content, words
from . import abstained

SENTENCES, PASSAGES = 3, 3
# A sentence is quoted when it is at most so long, in characters: what is longer is a listing.
LONGEST = 800
# What the words of title and headings count, compared with those of the sentence itself.
HEADING = 0.35
# What adds to the value of a sentence, as a share: the best passage, the first place in it, and to begin with a word of
# the question, as a definition does. What is no whole sentence (a row of a table, an item of a list) is worth less.
RANK, POSITION, SUBJECT, FRAGMENT = 1.0, 0.05, 0.2, 0.8
# Of the question's weight, the part that a further sentence has to add.
GAIN = 0.35
# Between two things that are asked.
_AND = re.compile(
    r"[,;?]\s+(?:and\s+)?(?=(?:how|what|when|where|which|who|why|may|can|should|must|does|do|is|are)\b)", re.IGNORECASE
)
LEANING = frozenset(("it", "its", "this", "that", "these", "those", "they", "their", "both", "he", "she"))


@dataclass(frozen=True)
class _Sentence:
    """A sentence with its place: number of the passage, number in it."""

    passage: int
    place: int
    text: str
    stems: frozenset[str]
    first: str


class Extractive:
    """A generator that quotes.

    Args:
        relevance_at_least: abstain when no passage is as relevant, see `Hit.relevance`.
    """

    cost = 0

    def __init__(self, relevance_at_least: float = 0.0) -> None:
        self.relevance_at_least = relevance_at_least

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """The sentences that answer a question, each with the passage that it is from, or none."""
        best = max((hit.relevance for hit in hits), default=0.0)
        if not hits or best < self.relevance_at_least:
            return abstained(f"no passage is relevant enough: {best:.2f}, and {self.relevance_at_least:.2f} is needed")
        chunks = [hit.chunk for hit in hits]
        chosen = _chosen(question, chunks)
        return _quoted(chosen, chunks) if chosen else abstained("no sentence shares a word with the question")

    def stream(self, question: str, hits: Sequence[Hit]) -> Iterator[str | Answer]:
        """The same, a quotation at a time."""
        answer = self.answer(question, hits)
        if answer.outcome == "answered":
            last = len(answer.citations)
            for number, citation in enumerate(answer.citations, start=1):
                yield f"{citation.quote} [{number}]" + (" " if number < last else "")
        else:
            yield answer.text
        yield answer


def _chosen(question: str, chunks: Sequence[Chunk]) -> list[_Sentence]:
    """The best sentences, the best first."""
    found = [_Sentence(number, *each) for number, chunk in enumerate(chunks) for each in _read(chunk.text)]
    headings = [_stems(f"{chunk.title} {chunk.heading}") for chunk in chunks]
    parts = [_stems(part) for part in _AND.split(question)]
    chosen: list[_Sentence] = []
    for part in parts if all(parts) else [_stems(question)]:
        for sentence in _best(_weights(part, found), found, headings):
            if sentence not in chosen and _fits(sentence, chosen):
                chosen.append(sentence)
    return chosen[:SENTENCES]


def _best(
    weights: Mapping[str, float], found: Sequence[_Sentence], headings: Sequence[frozenset[str]]
) -> Iterator[_Sentence]:
    """Sentences that together hold a part of a question, until none adds enough."""
    missing = dict(weights)
    for taken in range(SENTENCES if weights else 0):
        value, best = max(((_value(each, missing, weights, headings), each) for each in found), key=itemgetter(0))
        if not value or (taken and _share(best.stems, missing, weights) < GAIN):
            return
        yield from _with_context(best, found)
        missing = {stem: weight for stem, weight in missing.items() if stem not in best.stems}


@lru_cache(maxsize=4096)
def _read(text: str) -> tuple[tuple[int, str, frozenset[str], str], ...]:
    """The sentences of a passage: place, text, stems, first stem."""
    read = [(place, sentence, content(sentence)) for place, sentence in enumerate(sentences(text))]
    return tuple(
        (place, one, frozenset(stems), stems[0]) for place, one, stems in read if stems and len(one) <= LONGEST
    )


def _stems(text: str) -> frozenset[str]:
    return frozenset(content(text))


def _weights(question: frozenset[str], found: Sequence[_Sentence]) -> dict[str, float]:
    """Of each stem of the question that some sentence holds: the fewer do, the more."""
    holding = Counter(stem for sentence in found for stem in sentence.stems & question)
    return {stem: math.log(1 + len(found) / number) for stem, number in holding.items()}


def _value(
    sentence: _Sentence,
    missing: Mapping[str, float],
    weights: Mapping[str, float],
    headings: Sequence[frozenset[str]],
) -> float:
    """How well a sentence fits what is missing; 0 when it holds nothing of it."""
    own = _share(sentence.stems, missing, weights)
    above = _share(headings[sentence.passage] - sentence.stems, missing, weights)
    bonus = RANK / (1 + sentence.passage) + POSITION / (1 + sentence.place) + SUBJECT * (sentence.first in weights)
    whole = 1.0 if sentence.text.rstrip("\"')")[-1:] in (".", "!", "?") else FRAGMENT
    return (own + HEADING * above) * (1 + bonus) * whole if own else 0.0


def _share(stems: frozenset[str], missing: Mapping[str, float], weights: Mapping[str, float]) -> float:
    total = sum(weights.values())
    return sum(weight for stem, weight in missing.items() if stem in stems) / total if total else 0.0


def _with_context(sentence: _Sentence, found: Sequence[_Sentence]) -> list[_Sentence]:
    """The sentence, and before it the one that it leans on."""
    if words(sentence.text)[0] not in LEANING:
        return [sentence]
    before = (sentence.passage, sentence.place - 1)
    return [*(each for each in found if (each.passage, each.place) == before), sentence]


def _fits(sentence: _Sentence, chosen: Sequence[_Sentence]) -> bool:
    """Whether it would not make one passage too many."""
    return len({sentence.passage, *(each.passage for each in chosen)}) <= PASSAGES


def _quoted(chosen: Sequence[_Sentence], chunks: Sequence[Chunk]) -> Answer:
    """An answer of passages in the order of their best sentence, sentences in the order of their passage."""
    order = list(dict.fromkeys(sentence.passage for sentence in chosen))
    inside = sorted(chosen, key=lambda sentence: (order.index(sentence.passage), sentence.place))
    citations = tuple(_citation(chunks[sentence.passage], sentence.text) for sentence in inside)
    text = " ".join(f"{citation.quote} [{number}]" for number, citation in enumerate(citations, start=1))
    return Answer(text, citations, "answered")


def _citation(chunk: Chunk, quote: str) -> Citation:
    return Citation(chunk.id, chunk.document, chunk.title, chunk.heading, quote)
