"""A task that nobody tuned on: find the part of scikit-learn that a sentence describes.

The corpus is the docstrings of its public functions and classes without their summary; the summary is the question.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Iterator
from hashlib import sha256
from statistics import mean

import pytest
from sklearn.utils.discovery import all_estimators, all_functions

from handbook_assistant.index.sqlite import SqliteIndex
from handbook_assistant.schema import Chunk

LONGEST = 200


def documented() -> dict[str, tuple[str, str]]:
    """Summary and body of each docstring that has both, by the object's name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        objects = [*all_functions(), *all_estimators()]
    parts = {name: (inspect.getdoc(found) or "").split("\n\n", 1) for name, found in objects}
    return {name: (" ".join(both[0].split()), both[1]) for name, both in sorted(parts.items()) if len(both) == 2}


def passages(body: str) -> Iterator[str]:
    """Paragraphs, joined as long as they are no longer than `LONGEST` words together."""
    gathered = ""
    for paragraph in body.split("\n\n"):
        if gathered and len(f"{gathered} {paragraph}".split()) > LONGEST:
            yield gathered
            gathered = ""
        gathered += f"{paragraph}\n\n"
    yield gathered


def chunks(bodies: dict[str, str]) -> Iterator[Chunk]:
    """The chunks of each body; whoever is in the group of its name may see it, and everyone."""
    for name, body in bodies.items():
        for number, text in enumerate(passages(body)):
            digest = sha256(text.encode()).hexdigest()
            yield Chunk(f"{name}#{number}", name, name, "", text, ("everyone", name), "", digest)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SqliteIndex:
    bodies = {name: body for name, (_, body) in documented().items()}
    return SqliteIndex.build(tmp_path_factory.mktemp("docstrings"), chunks(bodies))


def test_a_summary_finds_what_it_summarises(index: SqliteIndex) -> None:
    """In at least 86 of 100 cases one of the five best passages is of the function or class that a summary is of."""
    found = {name: index.search(summary, ["everyone"], 20) for name, (summary, _) in documented().items()}
    recall = mean(name in [hit.chunk.document for hit in hits[:5]] for name, hits in found.items())
    gain = mean(ndcg([hit.chunk.document for hit in hits], name) for name, hits in found.items())
    figures = f"{len(found)} questions: recall@5 {recall:.3f}, nDCG@10 {gain:.3f}"
    print(figures)
    assert recall >= 0.86, figures


def ndcg(documents: list[str], relevant: str) -> float:
    """Normalised discounted cumulative gain among the ten best documents, of which one is relevant."""
    ranked = list(dict.fromkeys(documents))[:10]
    return 1 / math.log2(ranked.index(relevant) + 2) if relevant in ranked else 0.0
