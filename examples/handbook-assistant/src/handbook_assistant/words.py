"""Which words of a text carry meaning, in a form that its variants share.

The stemmer is a light one: plural, -ed, -ing, -ly. It is for comparing two texts, not for an index, which has its own.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
# Endings with what replaces them and how long the word must be for it, the longest first.
_ENDINGS = (
    ("ations", "at", 8), ("ation", "at", 7), ("ities", "", 8), ("ments", "", 8), ("ment", "", 7), ("ity", "", 6),
    ("sses", "ss", 6), ("ings", "", 7), ("ies", "y", 5), ("ied", "y", 5), ("ing", "", 6), ("ers", "", 6),
    ("es", "", 5), ("ed", "", 5), ("er", "", 5), ("ly", "", 5), ("s", "", 4), ("e", "", 4),
)  # fmt: skip
_FUNCTION_WORDS = """
    a about after again all also am an and any are as at be because been before being both but by can could did do
    does doing done down during each every few for from further get gets give given go goes got had has have having he
    her here hers him his how however i if in instead into is it its itself just let made make makes many may me might
    more most much must my need no nor not now of off on once only or other our ours out over own per please put
    rather s same shall she should since so some still such t than that the their theirs them then there these they
    this those though through to together too under until up upon us use used uses using very was we were what when
    where whether which while who whom whose why will with within without would you your yours"""
_FUNCTION = frozenset(_FUNCTION_WORDS.split())


def words(text: str) -> list[str]:
    """The words and numbers of a text in small letters, without accents, as they come."""
    folded = unicodedata.normalize("NFKD", text.lower())
    return _WORD.findall("".join(letter for letter in folded if not unicodedata.combining(letter)))


def content(text: str) -> list[str]:
    """The stems of the words that carry meaning, as they come."""
    return [stem(word) for word in words(text) if word not in _FUNCTION]


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """What a word shares with its inflections. Idempotent it is not."""
    word = word.removesuffix("'s").removesuffix("\u2019s")
    if word.endswith("ss") or not word.isalpha():
        return word
    for ending, replacement, shortest in _ENDINGS:
        if word.endswith(ending) and len(word) >= shortest:
            return _single(word[: -len(ending)] + replacement)
    return word


def _single(root: str) -> str:
    """planned and plan, stopped and stop: without the doubled consonant."""
    doubled = len(root) > 3 and root[-1] == root[-2] and root[-1] not in "aeiouls"
    return root[:-1] if doubled else root
