"""Questions of which is known what should become of them: with an answer, without one, and attacks.

evals/golden.jsonl, a line each: `id`, `question`, `kind` (direct, paraphrased, multi_hop, unanswerable), `topic`,
`groups` of who asks, `documents` that hold the answer, `answer`.

evals/redteam.jsonl: `id`, `kind`, `text`, `groups`, `expect` (refused, abstained, ignored), `must_not_contain`; and
`known_miss` where an attack succeeds and is counted apart. Of the kind `document`, the text is a document that
carries orders.

As rows they have the columns of `schema.ROWS`; all that is not asked is in `expected`, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from . import rows, schema
from .errors import InputError

LINES = ".jsonl"
ATTACK = "attack"
POISONED = "document"
Record = dict[str, Any]


def golden(path: Path) -> pd.DataFrame:
    """Raw rows of a file of golden questions, or of a table (.csv, .parquet) that has the columns already.

    Raises:
        InputError: the file can't be read, or a line is not what it should be.
    """
    return _lines(path, _golden) if path.suffix == LINES else rows.read(path)


def attacks(path: Path) -> pd.DataFrame:
    """Raw rows of a file of attacks.

    Raises:
        InputError: as `golden`.
    """
    return _lines(path, _attack)


def _golden(record: Record) -> Record:
    expected = {name: record[name] for name in ("kind", "topic", "documents", "answer")}
    return _row(record["id"], record["question"], record["groups"], expected)


def _attack(record: Record) -> Record:
    names = ("kind", "text", "expect", "must_not_contain")
    expected = {"topic": ATTACK, "known_miss": False, **{name: record[name] for name in names}}
    expected |= {"known_miss": bool(record.get("known_miss"))}
    # Who meets a document with orders asks about what it seems to be about: its first line.
    text = record["text"].strip("# \n").partition("\n")[0] if record["kind"] == POISONED else record["text"]
    return _row(record["id"], text, record["groups"], expected)


def _row(identity: str, question: str, groups: list[str], expected: Record) -> Record:
    return {
        schema.ID: identity,
        schema.QUESTION: question,
        schema.GROUPS: schema.SEPARATOR.join(groups),
        schema.TARGET: json.dumps(expected),
    }


def _lines(path: Path, row: Callable[[Record], Record]) -> pd.DataFrame:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): write questions there, or name their file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: save it as UTF-8") from error
    found = [_parsed(path, number, line, row) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise InputError(f"no questions in {path}: write one a line, as docs/model.md shows")
    return pd.DataFrame(found)


def _parsed(path: Path, number: int, line: str, row: Callable[[Record], Record]) -> Record:
    try:
        return row(json.loads(line))
    except KeyError as error:
        raise InputError(f"line {number} of {path} has no {error}: add it") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"line {number} of {path} is no question in JSON: see the lines around it") from error
