"""What a row is: a document that is read, a chunk of it that is found, a question that is asked.

A question that breaks a rule about rows is set aside with its reason, as in every project type.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import pandas as pd
import pandera.pandas as pa

# Columns of a question.
ID = "question_id"
# Questions of one group are never on both sides of a split.
GROUP = "question_id"
TIME: str | None = None
TARGET = "expected"
QUESTION, GROUPS = "question", "groups"
# Who everybody is, and how several groups are parted in a text.
EVERYONE, SEPARATOR = "everyone", ","
LONGEST_QUESTION = 2_000
# What a line of code begins with in the plain text of a document.
CODE = "    "
# What a question that is known can be: answerable ones, one without an answer, and attacks.
ANSWERABLE, UNANSWERABLE = ("direct", "paraphrased", "multi_hop"), "unanswerable"


@dataclass(frozen=True)
class Section:
    """A part of a document below one heading.

    heading: the headings above it, outermost first, without the document's title; empty before the first one.
    text: paragraphs, list items, table rows and code as plain text, blocks parted by an empty line.
    """

    heading: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Document:
    """A document as it was read.

    id: its path below the source, with forward slashes.
    groups: who may see it.
    digest: SHA-256 of the file's bytes, in hexadecimal.
    updated: ISO date that the document itself gives, or empty.
    """

    id: str
    title: str
    groups: tuple[str, ...]
    updated: str
    digest: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Chunk:
    """A passage that can be found and cited.

    id: stable as long as the passage is where it is: of document, heading and a number among equals.
    heading: the headings above it, joined by " > ".
    digest: SHA-256 of all that is indexed of it (title, heading, text, groups), in hexadecimal.
    """

    id: str
    document: str
    title: str
    heading: str
    text: str
    groups: tuple[str, ...]
    updated: str
    digest: str


def _is_question(texts: pd.Series) -> pd.Series:
    return texts.str.strip().str.len().between(1, LONGEST_QUESTION)


def _is_expected(texts: pd.Series) -> pd.Series:
    return texts.map(lambda text: {"kind", "topic"} <= expected(text).keys())


def expected(text: str) -> dict[str, Any]:
    """What is expected of a question; nothing where the text is not JSON by names."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# A question to answer.
INPUTS = pa.DataFrameSchema(
    {
        ID: pa.Column(str, unique=True, report_duplicates="exclude_first"),
        QUESTION: pa.Column(str, pa.Check(_is_question, error=f"a question of 1 to {LONGEST_QUESTION} characters")),
        GROUPS: pa.Column(str, default=EVERYONE),
    },
    coerce=True,
    strict="filter",
)

# A question of which is known what should become of it: see `questions.py` for what `expected` holds.
ROWS = pa.DataFrameSchema(
    {**INPUTS.columns, TARGET: pa.Column(str, pa.Check(_is_expected, error="JSON of what is expected"))},
    coerce=True,
    strict="filter",
)


def names(groups: str) -> list[str]:
    """The groups that a text names."""
    return [name.strip() for name in groups.split(SEPARATOR) if name.strip()]


def inputs(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns that the model sees, of n checked questions."""
    return rows[[QUESTION, GROUPS]]


def slices(rows: pd.DataFrame) -> pd.DataFrame:
    """A column for each way of slicing n checked questions, holding each one's label."""
    found = rows[TARGET].map(expected)
    return pd.DataFrame({name: found.map(itemgetter(name)) for name in ("kind", "topic")})
