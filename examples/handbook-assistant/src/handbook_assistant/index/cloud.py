"""What the indexes in the cloud have in common.

The filter by groups is part of every query, and what comes back is checked all the same: a service that answers with a
passage that the filter excludes has an index or a filter that is not what we think, and whatever else it answers can't
be trusted either. So that is an error, and no hit to leave out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from ..errors import InputError
from ..schema import Chunk

LONGEST_REASON = 200


class MissingError(InputError):
    """There is no such index yet."""


def check_access(chunks: Iterable[Chunk], groups: Sequence[str], place: str) -> None:
    """Check that a member of one of the groups may see each of the chunks that came from `place`.

    Raises:
        InputError: one of them is for others only.
    """
    for chunk in chunks:
        if not set(chunk.groups) & set(groups):
            raise InputError(
                f"{place} gave a passage of {chunk.document} to groups without access; delete the index and ingest anew"
            )


def safe_key(text: str) -> str:
    """A name as unique as the text: 64 letters and digits, since no service takes every length and sign."""
    return hashlib.sha256(text.encode()).hexdigest()


def reason(error: object) -> str:
    """What an error says, in one line that is not too long."""
    line = " ".join(str(getattr(error, "message", None) or error).split())
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}…"
