"""A second look at the hits of an index, with more care than a search over all chunks can afford.

The default leaves the order as it is: a lexical second look finds no evidence that the fused ranking has not counted
already. What reads question and passage together, such as a search service's cross-encoder, belongs behind `Reranker`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .index.base import Hit


class Reranker(Protocol):
    """What orders hits anew."""

    def rerank(self, question: str, hits: Sequence[Hit], k: int) -> list[Hit]:
        """The k best of the hits, best first; none that was not among them.

        Raises:
            InputError: a service behind it can't be reached or does not answer as it should.
        """


class Identity:
    """The first k hits as they are."""

    def rerank(self, question: str, hits: Sequence[Hit], k: int) -> list[Hit]:  # noqa: ARG002
        """See `Reranker`."""
        return list(hits[: max(k, 0)])
