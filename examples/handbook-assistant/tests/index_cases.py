"""What every kind of index has to do, whatever keeps its chunks. Each case takes an index without a chunk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from handbook_assistant.embed import Vectors
from handbook_assistant.errors import InputError
from handbook_assistant.index.base import Hit, Index
from handbook_assistant.schema import Chunk

HOSTILE_QUESTIONS = (
    *("'", '"', '" OR 1=1 --', "-canary", "canary NOT release", "canary*", "(((", "NEAR(a b)", "title:canary", "\\"),
    *("{}", "\x00canary", "\u202eyranac", "canary " * 280, "🚕", "<script>alert(1)</script>", "groups/any(g: true)"),
)
# Names that a filter made of text would read as more than a name.
HOSTILE_GROUPS = (
    *("o'brien", "x' or 1 eq 1 or 'x' eq '", "everyone') or true or search.in(g, 'everyone", '"]}', "a,b", "*", "%"),
    *("'; drop table chunks; --", '{"everyone": true}', "every one", "Everyone", "everyon", "null", "\\", "[]", "∀"),
)


class WordVectors:
    """Vectors that are near when texts share words: each word has a direction."""

    def __init__(self, dimension: int = 64) -> None:
        self.dimension = dimension

    def __call__(self, texts: Sequence[str]) -> Vectors:
        vectors = [np.sum([_direction(word, self.dimension) for word in [*_words(text), ""]], axis=0) for text in texts]
        found = np.asarray(vectors, np.float32).reshape(-1, self.dimension)
        unit: Vectors = found / np.linalg.norm(found, axis=1, keepdims=True)
        return unit


@cache
def _direction(word: str, dimension: int) -> Vectors:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4])
    length = 1.0 if word else 0.1
    return (length * np.random.default_rng(seed).standard_normal(dimension)).astype(np.float32)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def chunk(id: str, text: str, groups: Sequence[str] = ("everyone",), heading: str = "What it is") -> Chunk:  # noqa: A002
    """A chunk of the document before the # of its id."""
    document = id.split("#")[0]
    title = document.removesuffix(".md").replace("-", " ")
    all_of_it = "\x1f".join((title, heading, text, *groups))
    digest = hashlib.sha256(all_of_it.encode()).hexdigest()
    return Chunk(id, document, title, heading, text, tuple(groups), "2026-09-14", digest)


CANARY = chunk("canary.md#1", "A canary release sends a small share of the traffic to the new version.")
DRIFT = chunk("drift.md#1", "Data drift is a change of the inputs after the model was trained.")
SALARY = chunk("salary.md#1", "The salary of the chief engineer is paid at the end of the month.", ("finance",))
ROTA = chunk("rota.md#1", "The rota names who is called at night when an alert fires.", ("operations", "finance"))
ALL = (CANARY, DRIFT, SALARY, ROTA)


def ids(hits: Sequence[Hit]) -> list[str]:
    """Ids of the chunks, best first."""
    return [hit.chunk.id for hit in hits]


def what_is_inserted_is_found(index: Index) -> None:
    """An empty index knows no chunk; each chunk that is inserted comes back whole, first for its own words."""
    assert dict(index.digests()) == {}
    index.apply(ALL, [])
    assert dict(index.digests()) == {each.id: each.digest for each in ALL}
    for each in ALL:
        best = index.search(each.text, ["everyone", "finance"], 2)[0]
        assert best.chunk == each
        assert 0 < best.relevance <= 1


def what_is_changed_is_replaced(index: Index) -> None:
    """A chunk with new words and groups is no longer found by the old ones, and is there once."""
    index.apply(ALL, [])
    changed = chunk(CANARY.id, "Shadow traffic is copied and its answers are thrown away.", ("operations",))
    index.apply([changed], [])
    assert dict(index.digests()) == {each.id: each.digest for each in (changed, DRIFT, SALARY, ROTA)}
    assert CANARY.id not in ids(index.search(CANARY.text, ["everyone"], 9))
    assert index.search(changed.text, ["operations"], 9)[0].chunk == changed
    assert ids(index.search(changed.text, ["operations", "everyone"], 9)).count(changed.id) == 1


def what_is_deleted_is_gone(index: Index) -> None:
    """A deleted chunk is not found, the others are; to delete what is not there is no error."""
    index.apply(ALL, [])
    index.apply([], [CANARY.id, "never-there.md#1"])
    assert set(index.digests()) == {DRIFT.id, SALARY.id, ROTA.id}
    assert CANARY.id not in ids(index.search(CANARY.text, ["everyone"], 9))
    assert DRIFT.id in ids(index.search(DRIFT.text, ["everyone"], 9))


def a_delta_inserts_changes_and_deletes(index: Index) -> None:
    """One delta does all three; the same delta once more changes nothing."""
    index.apply([CANARY, DRIFT, SALARY], [])
    changed = replace(DRIFT, text="Drift is measured each night.", digest="0" * 64)
    for _ in range(2):
        index.apply([changed, ROTA], [SALARY.id])
        assert dict(index.digests()) == {each.id: each.digest for each in (CANARY, changed, ROTA)}
    index.apply([], [])
    assert set(index.digests()) == {CANARY.id, DRIFT.id, ROTA.id}


def strangers_see_nothing(index: Index) -> None:
    """Who is in no group, or in one that no chunk names, finds nothing at all."""
    index.apply(ALL, [])
    for groups in ([], ["strangers"]):
        assert index.search(SALARY.text, groups, 9) == []


def groups_see_what_is_theirs(index: Index) -> None:
    """One group sees its chunks, two groups see those of both, and a chunk of two groups is found once."""
    index.apply(ALL, [])
    question = " ".join(each.text for each in ALL)
    assert set(ids(index.search(question, ["everyone"], 9))) == {CANARY.id, DRIFT.id}
    assert set(ids(index.search(question, ["operations"], 9))) == {ROTA.id}
    assert sorted(ids(index.search(question, ["finance"], 9))) == [ROTA.id, SALARY.id]
    assert sorted(ids(index.search(question, ["operations", "finance"], 9))) == [ROTA.id, SALARY.id]
    assert len(index.search(question, ["everyone", "finance", "operations"], 9)) == 4


def hostile_questions_are_only_questions(index: Index) -> None:
    """Signs of a query language find what they find and never what is for others."""
    index.apply(ALL, [])
    for question in HOSTILE_QUESTIONS:
        assert all("everyone" in hit.chunk.groups for hit in index.search(question, ["everyone"], 9)), question
    assert ids(index.search('-canary "release', ["everyone"], 1)) == [CANARY.id]


def hostile_groups_are_only_names(index: Index) -> None:
    """A name with signs of a filter language opens nothing, and a chunk of that group is found by it alone."""
    index.apply(ALL, [])
    for group in HOSTILE_GROUPS:
        assert index.search(SALARY.text, [group], 9) == [], group
    theirs = [chunk(f"theirs-{number}.md#1", "For us alone.", (group,)) for number, group in enumerate(HOSTILE_GROUPS)]
    index.apply(theirs, [])
    for each in theirs:
        assert [hit.chunk for hit in index.search(each.text, each.groups, 9)] == [each]
    for group in ("", "a|b", " everyone", "everyone\n", "everyone|finance"):
        assert _found_or_refused(index, group) == []


def _found_or_refused(index: Index, group: str) -> list[Hit]:
    try:
        return index.search(SALARY.text, [group], 9)
    except InputError:
        return []


def the_order_is_always_the_same(index: Index) -> None:
    """Best first, and equals by their ids: twice the same question, twice the same answer."""
    index.apply([chunk(f"same-{number}.md#1", "All the same.", heading="") for number in (3, 1, 2)], [])
    index.apply(ALL, [])
    first = index.search(CANARY.text, ["everyone"], 9)
    assert first == index.search(CANARY.text, ["everyone"], 9)
    assert [hit.score for hit in first] == sorted((hit.score for hit in first), reverse=True)


def no_more_than_k_come(index: Index) -> None:
    """Of many that fit, k come, as good as the first of a longer list; for k below 1 none."""
    index.apply([chunk(f"many.md#{number}", f"Taxi number {number}.") for number in range(12)], [])
    five, nine = (index.search("taxi number 7", ["everyone"], k) for k in (5, 9))
    # Which of equals comes last is the service's choice.
    assert [hit.score for hit in five] == [hit.score for hit in nine[:5]]
    assert (len(set(ids(five))), len(set(ids(nine)))) == (5, 9)
    assert five[0].chunk.id == "many.md#7"
    assert index.search("taxi number 7", ["everyone"], 0) == []


CASES = (
    what_is_inserted_is_found,
    what_is_changed_is_replaced,
    what_is_deleted_is_gone,
    a_delta_inserts_changes_and_deletes,
    strangers_see_nothing,
    groups_see_what_is_theirs,
    hostile_questions_are_only_questions,
    hostile_groups_are_only_names,
    the_order_is_always_the_same,
    no_more_than_k_come,
)
