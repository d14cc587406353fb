"""What was answered, and what people thought of it: one SQLite file.

A rating is on the disk before its sender hears of it (one transaction, synchronous FULL), so a server that is killed
loses none. Personal data that has a form is masked before anything is written, and what is older than `keep_days` is
deleted and its space overwritten. A passage is kept by its id only: who reads this file need not be allowed to read
the documents. The file belongs on a disk of this machine; on a network share SQLite's log does not work.

Run: python -m PACKAGE.feedback export     questions for the golden set, see `candidates`
     python -m PACKAGE.feedback summary    numbers for monitoring, see `summary`
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .chain import Answer
from .errors import InputError, PipelineError
from .guard import personal_data

Rating = Literal["up", "down"]
PATH = Path("outputs/feedback.db")
GOLDEN, CANDIDATES = Path("evals/golden.jsonl"), Path("evals/candidates.jsonl")
# What the file says it is: "ragf" as a number, and the version of the tables below.
APPLICATION, VERSION = 0x72616766, 1
KEEP_DAYS = 90.0
# Nobody changes their mind more often.
RATINGS = 10
# How often what is too old is looked for, in answers.
SWEEP = 1_000
# Seconds to wait for another process that writes.
PATIENCE = 10.0
DAY = 86_400.0

SCHEMA = """
CREATE TABLE answers (
    id TEXT PRIMARY KEY, at REAL NOT NULL, question TEXT NOT NULL, groups TEXT NOT NULL, answer TEXT NOT NULL,
    citations TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, version TEXT NOT NULL, model TEXT NOT NULL,
    prompt TEXT NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, latency_ms REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX answers_at ON answers (at);
CREATE TABLE ratings (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, answer TEXT NOT NULL REFERENCES answers ON DELETE CASCADE,
    at REAL NOT NULL, rating TEXT NOT NULL CHECK (rating IN ('up', 'down')), comment TEXT NOT NULL
);
CREATE INDEX ratings_answer ON ratings (answer);
"""
KEEP = """
INSERT INTO answers VALUES (:id, :at, :question, :groups, :answer, :citations, :outcome, :reason, :version, :model,
                            :prompt, :tokens_in, :tokens_out, :latency_ms)
"""
SAME = "SELECT id, answer, rating, comment FROM ratings WHERE id = ?"
# What a person thinks of an answer is what they said last.
LATEST = "SELECT answer, rating, comment FROM ratings WHERE number IN (SELECT max(number) FROM ratings GROUP BY answer)"
DOUBTFUL = f"""
SELECT a.question, a.groups, a.citations, a.outcome, coalesce(l.rating, ''), coalesce(l.comment, '')
FROM answers a LEFT JOIN ({LATEST}) l ON l.answer = a.id
WHERE l.rating = 'down' OR a.outcome = 'abstained' ORDER BY a.at, a.id
"""  # noqa: S608 - nothing from outside
COUNTS = f"""
SELECT count(*), coalesce(sum(outcome = 'answered'), 0), coalesce(sum(outcome = 'abstained'), 0),
    coalesce(sum(outcome = 'refused'), 0), count(l.rating), coalesce(sum(l.rating = 'down'), 0),
    coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0)
FROM answers a LEFT JOIN ({LATEST}) l ON l.answer = a.id WHERE a.at >= ?
"""  # noqa: S608 - nothing from outside


class UnknownError(LookupError):
    """There is no such answer, or none any more."""


class ConflictError(ValueError):
    """The rating says something else than an earlier one of the same id, or there are too many."""


@dataclass(frozen=True)
class Rated:
    """What somebody thinks of an answer. id: the sender's own, the same when they send it again."""

    id: str
    answer: str
    rating: Rating
    comment: str = ""


class Store:
    """Answers and ratings in a file. Threads may share one.

    Args:
        path: of the file; its folder is made.
        keep_days: how long an answer is kept, with what was thought of it.

    Raises:
        InputError: the file can't be opened, or is none of ours.
    """

    def __init__(self, path: Path, keep_days: float = KEEP_DAYS) -> None:
        self._lock = threading.Lock()
        self._keep = keep_days * DAY
        self._kept = 0
        self._connection = _opened(path)
        self.forget()

    def keep(self, question: str, groups: Sequence[str], answer: Answer, version: str, latency_ms: float) -> str:
        """Keep an answer; its id, which nobody can guess.

        Raises:
            sqlite3.Error: it could not be written.
        """
        identity = secrets.token_urlsafe(16)
        row = _row(question, groups, answer) | {"id": identity, "at": time.time(), "version": version}
        with self._writing() as connection:
            connection.execute(KEEP, row | {"latency_ms": latency_ms})
        self._kept += 1
        if self._kept % SWEEP == 0:
            self.forget()
        return identity

    def rate(self, rated: Rated) -> None:
        """Keep a rating, once however often it is sent.

        Raises:
            UnknownError: there is no such answer.
            ConflictError: the id was used for another rating, or the answer was rated too often.
            sqlite3.Error: it could not be written.
        """
        row = (rated.id, rated.answer, rated.rating, _masked(rated.comment))
        with self._writing() as connection:
            same = connection.execute(SAME, row[:1]).fetchone()
            if same is None:
                _check_rateable(connection, rated.answer)
                insert = "INSERT INTO ratings (id, answer, rating, comment, at) VALUES (?, ?, ?, ?, ?)"
                connection.execute(insert, (*row, time.time()))
            elif same != row:
                raise ConflictError("this id was used for another rating: take a new one")

    def forget(self) -> None:
        """Delete what is too old."""
        with self._writing() as connection:
            connection.execute("DELETE FROM answers WHERE at < ?", (time.time() - self._keep,))

    def check(self) -> None:
        """Check that something could be written.

        Raises:
            sqlite3.Error: it could not.
        """
        with self._writing():
            pass

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on the disk when the block has ended."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _opened(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"cannot keep answers in {path} ({error}); give --feedback a file to write to") from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("BEGIN IMMEDIATE")
    if _is_new(connection):
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
    _check_ours(connection, path)


def _is_new(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,))


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    if found != [APPLICATION, VERSION]:
        raise InputError(f"{path} holds something else than feedback of this version: give --feedback another file")


def _check_rateable(connection: sqlite3.Connection, answer: str) -> None:
    if connection.execute("SELECT 1 FROM answers WHERE id = ?", (answer,)).fetchone() is None:
        raise UnknownError("there is no such answer, or it is too old: ask again")
    if connection.execute("SELECT count(*) FROM ratings WHERE answer = ?", (answer,)).fetchone()[0] >= RATINGS:
        raise ConflictError(f"this answer was rated {RATINGS} times: that is enough")


def _row(question: str, groups: Sequence[str], answer: Answer) -> dict[str, Any]:
    return {
        "question": _masked(question),
        "groups": json.dumps(sorted(groups)),
        "answer": _masked(answer.text),
        "citations": json.dumps([{"chunk": each.chunk, "document": each.document} for each in answer.citations]),
        "outcome": answer.outcome,
        "reason": answer.reason,
        "model": answer.model,
        "prompt": answer.prompt,
        "tokens_in": answer.tokens_in,
        "tokens_out": answer.tokens_out,
    }


def _masked(text: str) -> str:
    return personal_data.check(text).text


# Reading


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one state of the file and cannot change it.

    Raises:
        InputError: there is no such file, or it is none of ours.
    """
    if not path.is_file():
        raise InputError(f"no feedback in {path}: start `poe chat` and ask, or give --feedback the file")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", PATIENCE, uri=True)) as connection:
            connection.execute("BEGIN")
            _check_ours(connection, path)
            yield connection
    except sqlite3.Error as error:
        raise InputError(f"cannot read {path} ({error}); give --feedback the file of a server") from error


def candidates(path: Path) -> list[dict[str, Any]]:
    """Questions that were rated down or had no answer, each once, as lines of evals/golden.jsonl.

    `answer` is empty for a person to write, `documents` are those that were cited, and `why` says why it is here.
    """
    with reading(path) as connection:
        rows = connection.execute(DOUBTFUL).fetchall()
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        record = _candidate(*row)
        found.setdefault(record["id"], record)
    return list(found.values())


def _candidate(question: str, groups: str, citations: str, outcome: str, rating: str, comment: str) -> dict[str, Any]:
    documents = dict.fromkeys(each["document"] for each in json.loads(citations))
    return {
        "id": identity(question),
        "question": question,
        "kind": "direct",
        "topic": "feedback",
        "groups": json.loads(groups),
        "documents": list(documents),
        "answer": "",
        "why": " ".join(part for part in ("rated down:" if rating == "down" else outcome, comment) if part).rstrip(":"),
    }


def identity(question: str) -> str:
    """The same for questions that differ in case, space and punctuation at the end only."""
    plain = " ".join(question.casefold().split()).rstrip(" ?!.")
    return f"f-{hashlib.sha256(plain.encode()).hexdigest()[:12]}"


def append(records: Sequence[dict[str, Any]], path: Path, golden: Path) -> int:
    """Add to a file the records whose question is neither there nor among the golden ones; how many.

    What is in the file stays as it is: people have written there.

    Raises:
        InputError: a file can't be read or written.
    """
    known = _questions(path) | _questions(golden)
    fresh = [record for record in records if record["id"] not in known]
    if fresh:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in fresh)
        _replace(path, text + ("\n" if text and not text.endswith("\n") else "") + lines)
    return len(fresh)


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); give --to a file that can be written") from error


def _questions(path: Path) -> set[str]:
    """The identities of the questions in a file; none where there is no file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return {identity(json.loads(line)["question"]) for line in lines if line.strip()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds a line that is no question in JSON: mend or delete it first") from error


def summary(path: Path, days: float) -> dict[str, Any]:
    """What was answered in the last days, for monitoring; a share of nothing is None.

    Latency in milliseconds, from the question's arrival at a thread to the whole answer.
    """
    until = time.time()
    since = until - days * DAY
    with reading(path) as connection:
        counts = connection.execute(COUNTS, (since,)).fetchone()
        times = [row[0] for row in connection.execute("SELECT latency_ms FROM answers WHERE at >= ?", (since,))]
    answers, answered, abstained, refused, rated, down, tokens_in, tokens_out = counts
    return {
        "from": _iso(since),
        "to": _iso(until),
        "answers": answers,
        "share_answered": _share(answered, answers),
        "share_abstained": _share(abstained, answers),
        "share_refused": _share(refused, answers),
        "rated": rated,
        "share_rated_down": _share(down, rated),
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "latency_p50_ms": quantile(times, 0.5),
        "latency_p95_ms": quantile(times, 0.95),
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest of the values that at least a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


# The commands

app = typer.Typer(
    help="What people asked and thought of the answers.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
File = Annotated[Path, typer.Option("--feedback", help="File of the answers and ratings.")]


@app.command("export")
def _export(
    feedback: File = PATH,
    to: Annotated[Path, typer.Option(help="File of the candidates; what is there stays.")] = CANDIDATES,
    golden: Annotated[Path, typer.Option(help="Questions that are known already.")] = GOLDEN,
) -> None:
    """Add questions that were rated down or had no answer to the candidates for the golden set."""
    print(f"{append(candidates(feedback), to, golden)} new questions in {to}")


@app.command("summary")
def _summary(
    feedback: File = PATH,
    days: Annotated[float, typer.Option(min=0.01, help="How far to look back.")] = 7,
) -> None:
    """Print how answers were rated and what they cost, as JSON."""
    print(json.dumps(summary(feedback, days), indent=2))


def main() -> None:
    """Run a command. A problem that the user can mend is one line on standard error, not a traceback."""
    try:
        app()
    except PipelineError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
