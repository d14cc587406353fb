"""Cutting documents into passages, and passages into sentences.

A passage is cut along what the author made: never across headings, at blocks before lines, at lines before
sentences, and within a sentence only where it is too long by itself. Passages are filled from the start of their
section, so what is added at its end leaves all but the last of them alone.

Nothing is changed in cutting: every sentence stands in its passage, and every passage in its section, word for word.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from .errors import InputError
from .index.base import Changes
from .schema import CODE, Chunk, Document

# A script without spaces, or a run of signs that somebody made up, is many words too.
WORD = re.compile(r"\S{1,30}")
# A block that ends with a colon introduces the next one.
UNIT_END, BLOCK_END, LINE_END = re.compile(r"(?<=[^:]\n\n)"), re.compile(r"(?<=\n\n)"), re.compile(r"(?<=\n)")

MARK = re.compile(r"(?:[-*+•]|\d{1,9}[.)])\s+")
ROW = "| "
# Quotation marks and brackets, and the full stop, exclamation mark and question mark of Chinese and Japanese.
OPENING = re.compile("[\"'(\\[\u00ab\u2018\u201c]*")
CLOSING, WIDE = "[\"')\\]\u00bb\u2019\u201d\u300d\u300f\uff09]*", "\u3002\uff01\uff1f"
# Where a sentence may end: a run of signs is looked at once, or long ones would take forever.
END = re.compile(rf"(?<![.!?\u2026])[.!?\u2026]+{CLOSING}\s+|[{WIDE}]{CLOSING}\s*")
NEXT_WORD = re.compile(r"\w+")
# What comes after a full stop that ends no sentence.
GOES_ON = frozenset(",;:)]}\u2013\u2014-=*+&|\u2026")
NEVER_LAST = re.compile(
    r"e\.g|i\.e|eg|ie|vs|cf|viz|approx|ca|resp|incl|excl|al|dr|mr|mrs|prof|st|messrs", re.IGNORECASE
)
BEFORE_NUMBER = re.compile(r"nos?|figs?|eqs?|sec|ch|chap|vol|pp?|art|ver|v|ed|tab|ref", re.IGNORECASE)
INITIALS = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]")
# After an initial, a word that rarely is a name begins a sentence.
STARTERS = re.compile(
    "a|after|all|an|and|as|at|both|but|by|each|every|for|from|he|her|his|how|however|if|in|it|its|many|most|no|on|one"
    "|our|she|so|some|such|that|the|their|then|there|these|they|this|those|to|use|we|what|when|where|which|while|who"
    "|why|with|you|your",
    re.IGNORECASE,
)


def cut(document: Document, words: int = 180, overlap: int = 0) -> list[Chunk]:
    """Cut a document into passages.

    Args:
        document: as it was read.
        words: that a passage has at most.
        overlap: how many of them may be whole sentences of the end of the passage before.

    Raises:
        InputError: `overlap` leaves no room for anything new.
    """
    if not 0 <= overlap < words:
        raise InputError(f"passages of {words} words cannot overlap by {overlap}: choose fewer, and at least 0")
    numbers: Counter[tuple[str, ...]] = Counter()
    found = []
    for section in document.sections:
        for position, text in enumerate(_passages(section.text, words, overlap)):
            place = (document.id, section.heading, numbers[section.heading], position)
            found.append(_chunk(document, _hash(place)[:32], " > ".join(section.heading), text))
        numbers[section.heading] += 1
    return found


def _chunk(document: Document, id_: str, heading: str, text: str) -> Chunk:
    title, groups, updated = document.title, document.groups, document.updated
    digest = _hash((title, heading, text, sorted(groups), updated))
    return Chunk(id_, document.id, title, heading, text, groups, updated, digest)


def _hash(values: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def changes(known: Mapping[str, str], chunks: Sequence[Chunk]) -> tuple[list[Chunk], list[str], Changes]:
    """What makes an index hold these chunks and no others.

    Args:
        known: the digest of each chunk that the index holds, by its id.
        chunks: all that it should hold.

    Returns:
        chunks to insert or replace, ids to delete, and how many of each there are.
    """
    upserts = [chunk for chunk in chunks if known.get(chunk.id) != chunk.digest]
    wanted = {chunk.id for chunk in chunks}
    deletes = [id_ for id_ in known if id_ not in wanted]
    inserted = sum(chunk.id not in known for chunk in upserts)
    counts = Changes(inserted, len(upserts) - inserted, len(deletes), len(chunks) - len(upserts))
    return upserts, deletes, counts


def _passages(text: str, words: int, overlap: int) -> list[str]:
    found = _fitted(text, words - overlap, SPLITS)
    before = ["", *(_tail(passage, overlap) for passage in found)]
    return [(tail + passage).strip("\n").rstrip() for tail, passage in zip(before, found, strict=False)]


def _fitted(text: str, most: int, splits: Sequence[Callable[[str], list[str]]]) -> list[str]:
    """Consecutive parts of at most so many words, as few of them as filling one after the other gives."""
    if _size(text) <= most:
        return [text]
    split, *finer = splits
    return _packed((piece for part in split(text) for piece in _fitted(part, most, finer)), most)


def _packed(parts: Iterable[str], most: int) -> list[str]:
    packed: list[str] = []
    room = 0
    for part in parts:
        size = _size(part)
        if not packed or size > room:
            packed.append("")
            room = most
        packed[-1] += part
        room -= size
    return packed


def _tail(text: str, most: int) -> str:
    """As many sentences of the end as have at most so many words."""
    start = len(text)
    for part in reversed(_sentence_parts(text)):
        most -= _size(part)
        if most < 0:
            break
        start -= len(part)
    return text[start:]


def _size(text: str) -> int:
    return len(WORD.findall(text))


def sentences(text: str) -> list[str]:
    """The sentences of a passage or of any plain text, word for word and in their order.

    A row of a table and a line of code are one each; the marks of lists, rows and code are left off.
    """
    parts = (part for line in LINE_END.split(text) for part in _without_mark(_line_parts(line)))
    return [sentence for part in parts if (sentence := part.strip())]


def _without_mark(parts: Sequence[str]) -> Sequence[str]:
    first = "".join(parts[:1])
    if first.startswith(ROW):
        return [first.strip("| \n")]
    mark = MARK.match(first)
    return [first[mark.end() :], *parts[1:]] if mark else parts


def _sentence_parts(text: str) -> list[str]:
    """Sentences with all that is between them, so that together they are the text."""
    return [part for line in LINE_END.split(text) for part in _line_parts(line)]


def _line_parts(line: str) -> list[str]:
    if line.startswith((CODE, ROW)):
        return [line]
    mark = MARK.match(line)
    begin = mark.end() if mark else 0
    ends = [match.end() for match in END.finditer(line, begin) if _is_end(line, begin, match)]
    return [line[start:end] for start, end in zip([0, *ends], [*ends, len(line)], strict=True) if start < end]


def _is_end(line: str, begin: int, match: re.Match[str]) -> bool:
    """Whether what looks like the end of a sentence is one, by the words on both sides."""
    if match[0][0] in WIDE:
        return True
    following = OPENING.match(line, match.end())
    after = following.end() if following else match.end()
    sign = line[after : after + 1]
    if sign.islower() or sign in GOES_ON:
        return False
    return match[0].rstrip() != "." or not _is_abbreviation(
        line[max(begin, match.start() - 80) : match.start()], line, after
    )


def _is_abbreviation(before: str, line: str, after: int) -> bool:
    """Whether the full stop after the text `before` belongs to its last word. after: where the next word begins."""
    *_, previous, last = ["", "", *before.split()]
    last = last.lstrip("\"'([\u00ab\u2018\u201c")
    found = NEXT_WORD.match(line, after)
    following = found[0] if found else ""
    if NEVER_LAST.fullmatch(last):
        return True
    if BEFORE_NUMBER.fullmatch(last) and following[:1].isdigit():
        return True
    if last.isdigit() and len(last) < 3:  # the number of a point: "… as follows: 1. Install it. 2. Run it."
        return previous.endswith((":", ".", ";")) or not previous
    named = not previous or previous[0].isupper() or (len(following) == 1 and line[after + 1 : after + 2] == ".")
    is_initial = named and len(last) == 1 and last.isupper()
    return (is_initial or INITIALS.fullmatch(last) is not None) and not STARTERS.fullmatch(following)


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S{1,30}\s*", text)


SPLITS: tuple[Callable[[str], list[str]], ...] = (UNIT_END.split, BLOCK_END.split, LINE_END.split, _line_parts, _words)
