"""What an index of chunks can do, wherever it is: in a file, in Azure AI Search, in Databricks AI Search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..schema import Chunk


@dataclass(frozen=True)
class Hit:
    """A chunk that was found.

    score: the higher, the better; comparable within one search of one index only.
    relevance: between 0 and 1 and comparable between searches of one index: what abstention looks at.
    """

    chunk: Chunk
    score: float
    relevance: float


@dataclass(frozen=True)
class Changes:
    """What a delta would do or did, in chunks."""

    inserted: int
    changed: int
    deleted: int
    unchanged: int


class Index(Protocol):
    """Chunks that can be found by a question."""

    def digests(self) -> Mapping[str, str]:
        """The digest of each chunk by its id."""

    def apply(self, upserts: Iterable[Chunk], deletes: Sequence[str]) -> None:
        """Insert or replace chunks and delete others. All of it or, after an error, nothing."""

    def search(self, question: str, groups: Sequence[str], k: int) -> list[Hit]:
        """The k best chunks that a member of one of the groups may see, best first.

        Raises:
            InputError: the index can't be reached, or does not answer as it should; one line says what to do.
        """
