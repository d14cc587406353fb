"""Where a question is answered and the answer kept, in one thread, before anybody hears the end of it."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..chain import Answer
from ..feedback import Store

log = logging.getLogger(__name__)


class Answering(Protocol):
    """A chain, see `chain.Chain`."""

    def answer(self, question: str, groups: Sequence[str]) -> Answer:
        """The whole answer."""

    def stream(self, question: str, groups: Sequence[str]) -> Iterator[str | Answer]:
        """Pieces, and the whole answer last."""


@dataclass(frozen=True)
class Told:
    """An answer as it goes out. id: to rate it by; empty if it could not be kept."""

    id: str
    version: str
    answer: Answer


@dataclass(frozen=True)
class Desk:
    """A chain, the version of its model, and where its answers are kept."""

    chain: Answering
    version: str
    store: Store

    def ask(self, question: str, groups: Sequence[str], whole: bool) -> Iterator[str | Told]:
        """Pieces of text, unless only the whole is asked for, and the answer that was kept.

        Raises:
            InputError: a service that is needed does not answer.
        """
        start = time.perf_counter()
        items = iter((self.chain.answer(question, groups),)) if whole else self.chain.stream(question, groups)
        for item in items:
            if isinstance(item, str):
                yield item
            else:
                yield self._kept(question, groups, item, (time.perf_counter() - start) * 1000)

    def _kept(self, question: str, groups: Sequence[str], answer: Answer, latency_ms: float) -> Told:
        """An answer is worth more than its record: one that can't be kept goes out, and the log says so."""
        try:
            identity = self.store.keep(question, groups, answer, self.version, latency_ms)
        except sqlite3.Error as error:
            log.error("an answer could not be kept: %s", error)
            identity = ""
        _say(event="answer", id=identity, outcome=answer.outcome, ms=round(latency_ms, 1), version=self.version)
        return Told(identity, self.version, answer)


def _say(**values: object) -> None:
    """A line of JSON for a log service, which can count and chart it. It holds no word of anybody's."""
    log.info("%s", json.dumps(values))
