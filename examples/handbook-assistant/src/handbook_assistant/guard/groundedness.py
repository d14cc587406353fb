"""Whether the passages that an answer cites hold what it says.

It counts words, it does not understand: a sentence turned into its opposite by a "not" passes. Numbers and addresses,
where a small change is a large one, must all be there; of the other words, a share.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..words import content
from . import Verdict

MARK = re.compile(r"\[\d{1,3}\]")
_NUMBER = re.compile(r"(?<![\w.,])\d[\d.,\u202f]*(?<![.,])(?!\w*[A-Za-z_])")
_ADDRESS = re.compile(r"(?:https?:)?//[^\s)>\]\"']+", re.IGNORECASE)


class Groundedness:
    """A guard for an answer.

    Args:
        passages: the texts that it cites.
        at_least: the share of its words that they must hold, between 0 and 1.
    """

    def __init__(self, passages: Sequence[str], at_least: float = 0.6) -> None:
        self._passages = passages
        self._at_least = at_least

    def check(self, text: str) -> Verdict:
        """Refuse an answer that says what its passages do not."""
        found = share(text, self._passages)
        foreign = unsupported(text, self._passages)
        if foreign:
            return Verdict(False, f"numbers or addresses in it that no cited passage holds: {len(foreign)}", text)
        if found < self._at_least:
            reason = f"its passages hold {found:.0%} of its words, and {self._at_least:.0%} are needed"
            return Verdict(False, reason, text)
        return Verdict(True, "", text)


def share(text: str, passages: Sequence[str]) -> float:
    """The part of a text's content words that passages hold, between 0 and 1; 1 for a text without any."""
    stems = content(MARK.sub(" ", text))
    known = {stem for passage in passages for stem in content(passage)}
    return sum(stem in known for stem in stems) / len(stems) if stems else 1.0


def unsupported(text: str, passages: Sequence[str]) -> list[str]:
    """Numbers and web addresses of a text that stand in no passage, as they come."""
    plain = MARK.sub(" ", text)
    numbers = {number for passage in passages for number in _numbers(passage)}
    addresses = {address.lower() for passage in passages for address in _addresses(passage)}
    foreign = [number for number in _numbers(_ADDRESS.sub(" ", plain)) if number not in numbers]
    return foreign + [address for address in _addresses(plain) if address.lower() not in addresses]


def _numbers(text: str) -> list[str]:
    """Numbers without signs between thousands and zeros at the end: 1,000.50 is 1000.5."""
    return [_plain_number(found) for found in _NUMBER.findall(text)]


def _plain_number(number: str) -> str:
    whole = re.sub(r"[,\u202f](?=\d{3}(?!\d))", "", number)
    return re.sub(r"(\.\d*?)0+$", r"\1", whole).removesuffix(".")


def _addresses(text: str) -> list[str]:
    return [found.rstrip(".,;:") for found in _ADDRESS.findall(text)]
