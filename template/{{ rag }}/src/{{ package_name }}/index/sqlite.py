"""An index in one SQLite file, with its vectoriser beside it: no server, no key, and one folder to copy.

A question is looked up twice, by words (BM25 of FTS5) and by vectors (latent semantic analysis), and the rankings are
fused. Both lookups see only what the groups may see, before anything is ranked, so a hidden passage takes nobody's
place. Only statistics of the whole collection, how rare a word is, are shared by all groups, as in every search engine.

The file is changed in one transaction. A vectoriser is named by its digest and written before the transaction that
refers to it ends, so a process that dies leaves the former index, whole. What is read for a search is read in one
transaction as well; another process may change the index meanwhile, and the next search sees it.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from .. import folders, vectors, words
from ..errors import InputError
from ..schema import LONGEST_QUESTION, Chunk
from ..vectors import Vectoriser, Vectors
from .base import Hit

FILE = "index.sqlite"
# What the file says it is: "rag1" as a number, and the version of the tables below.
APPLICATION, VERSION = 0x72616731, 1
# The vectoriser is fitted anew when more than this share of the chunks has changed since it was fitted. Until then it
# encodes new chunks as it is: words that it does not know are found by FTS5 only.
REFIT = 0.2
# How many chunks each lookup hands on, and the constant of reciprocal rank fusion.
DEPTH, SMOOTHING = 50, 60
# Chunks that words are weighed in for one question, about: beyond them the commonest words are left out, which add time
# but next to nothing to a score.
MATCHES = 2_000
# Chunks that are held in memory at once while writing.
BATCH = 1_000
# Seconds to wait for another process that writes.
PATIENCE = 30.0

SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document TEXT NOT NULL, title TEXT NOT NULL,
    heading TEXT NOT NULL, text TEXT NOT NULL, groups TEXT NOT NULL, updated TEXT NOT NULL, digest TEXT NOT NULL,
    passage TEXT GENERATED ALWAYS AS (title || char(10) || heading || char(10) || text)
);
CREATE TABLE access (chunk INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (chunk, name)) WITHOUT ROWID;
CREATE TABLE vectors (chunk INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE VIRTUAL TABLE passages USING fts5 (
    title, heading, text, content = 'chunks', content_rowid = 'number',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER inserted AFTER INSERT ON chunks BEGIN
    INSERT INTO passages (rowid, title, heading, text) VALUES (new.number, new.title, new.heading, new.text);
END;
CREATE TRIGGER deleted AFTER DELETE ON chunks BEGIN
    INSERT INTO passages (passages, rowid, title, heading, text)
    VALUES ('delete', old.number, old.title, old.heading, old.text);
    DELETE FROM access WHERE chunk = old.number;
    DELETE FROM vectors WHERE chunk = old.number;
END;
"""
# What a passage is about stands in its title and headings: they count twice.
LEXICAL = """
SELECT rowid, bm25(passages, 2.0, 2.0, 1.0) FROM passages
WHERE passages MATCH ? AND EXISTS (SELECT 1 FROM access WHERE chunk = passages.rowid AND name IN ({names}))
"""
INSERT = """
INSERT INTO chunks (id, document, title, heading, text, groups, updated, digest)
VALUES (:id, :document, :title, :heading, :text, :groups, :updated, :digest)
"""
DELETE = "DELETE FROM chunks WHERE id = ?"
SELECT = "SELECT id, document, title, heading, text, groups, updated, digest FROM chunks WHERE number = ?"
# Every so many of them, evenly spread over the ids.
SAMPLE = """
SELECT passage FROM (SELECT passage, row_number() OVER (ORDER BY id) AS place FROM chunks)
WHERE place % ? = 0 ORDER BY place
"""

Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _State:
    """What is kept in memory of one revision of the file: n chunks in the order of their ids.

    numbers: the chunks' numbers in the file.
    places: the same the other way round.
    matrix: n by d vectors.
    members: which chunks each group may see.
    """

    revision: str
    vectoriser: Vectoriser
    numbers: list[int]
    places: Mapping[int, int]
    matrix: Vectors
    members: Mapping[str, Mask]


class SqliteIndex:
    """See `base.Index`. Threads may share one: each search has a connection of its own, and none of them writes.

    Raises:
        InputError: the folder holds no index, a damaged one, or one of another version; its vectoriser is missing or
            is not the one that it was built with.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._state: _State | None = None
        with _reading(folder) as connection:
            self._current(connection)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The index in a folder."""
        return cls(folder)

    @classmethod
    def build(cls, folder: Path, chunks: Iterable[Chunk], seed: int = 0) -> Self:
        """A new index in a folder, in place of the one that may be there.

        Args:
            folder: where its files go.
            chunks: what it holds.
            seed: of the vectoriser's decomposition, also when it is fitted anew.

        Raises:
            InputError: there is no chunk, none holds a word, or the folder can't be written to.
        """
        with folders.writing(folder) as scratch:
            _create(scratch, seed)
            _apply(scratch, chunks, [])
            # Of a process that died: SQLite would play it back into the new file.
            _journal(folder).unlink(missing_ok=True)
        _tidy(folder)
        return cls(folder)

    def digests(self) -> dict[str, str]:
        """See `base.Index`."""
        with _reading(self._folder) as connection:
            return dict(connection.execute("SELECT id, digest FROM chunks ORDER BY id"))

    def apply(self, upserts: Iterable[Chunk], deletes: Sequence[str]) -> None:
        """See `base.Index`.

        Raises:
            InputError: the index can't be written to, or no chunk that is left holds a word.
        """
        _apply(self._folder, upserts, deletes)
        _tidy(self._folder)

    def search(self, question: str, groups: Sequence[str], k: int) -> list[Hit]:
        """See `base.Index`. No more than twice `DEPTH` are found.

        A hit's relevance is the mean of two shares between 0 and 1, neither of them fitted to anything: how much of the
        question's words, weighted by rarity, the chunk holds, and the cosine of both, which counts only as far as the
        vectors know the question's words.
        """
        question = question[:LONGEST_QUESTION]
        with _reading(self._folder) as connection:
            state = self._current(connection)
            known = sorted(state.members.keys() & set(groups))
            cosines = _cosines(state, question)
            scores = _fused(_by_words(connection, state, question, known), _by_vectors(state, cosines, known))
            best = sorted(scores, key=lambda place: (-scores[place], place))[: max(k, 0)]
            found = [_chunk(connection, state.numbers[place]) for place in best]
        relevances = _relevances(state.vectoriser, question, found, cosines[best])
        return [Hit(*hit) for hit in zip(found, (scores[place] for place in best), relevances, strict=True)]

    def _current(self, connection: sqlite3.Connection) -> _State:
        """The state of the revision that the connection's transaction sees."""
        revision = _about(connection)["revision"]
        with self._lock:
            if self._state is None or self._state.revision != revision:
                self._state = _loaded(self._folder, connection)
            return self._state


def _create(folder: Path, seed: int) -> None:
    with _explained(folder), closing(_connect(folder, "rwc")) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.executescript(SCHEMA)
        _note(connection, seed=seed)


def _apply(folder: Path, upserts: Iterable[Chunk], deletes: Sequence[str]) -> None:
    with _writing(folder) as connection:
        changed = connection.executemany(DELETE, ((name,) for name in deletes)).rowcount
        changed += sum(_upsert(connection, chunk) for chunk in upserts)
        _refit(folder, connection, changed)
        _encode(connection, _vectoriser(folder, connection))
        _note(connection, revision=uuid.uuid4().hex)


def _upsert(connection: sqlite3.Connection, chunk: Chunk) -> int:
    connection.execute(DELETE, (chunk.id,))
    number = connection.execute(INSERT, {**vars(chunk), "groups": json.dumps(chunk.groups)}).lastrowid
    connection.executemany("INSERT INTO access VALUES (?, ?)", ((number, name) for name in set(chunk.groups)))
    return 1


def _refit(folder: Path, connection: sqlite3.Connection, changed: int) -> None:
    """Fit the vectoriser anew, and let all chunks be encoded anew, when enough of them have changed."""
    about = _about(connection)
    (total,) = connection.execute("SELECT count(*) FROM chunks").fetchone()
    changed += int(about.get("changed", 0))
    if "vectoriser" in about and (not total or changed <= REFIT * int(about["fitted"])):
        _note(connection, changed=changed)
        return
    texts = connection.execute(SAMPLE, (max(1, -(-total // vectors.SAMPLE)),))
    vectoriser = vectors.fit([text for (text,) in texts], int(about["seed"]))
    if about.get("vectoriser") != vectoriser.digest:
        vectoriser.save(_file(folder, vectoriser.digest))
    connection.execute("DELETE FROM vectors")
    _note(connection, vectoriser=vectoriser.digest, fitted=total, changed=0)


def _encode(connection: sqlite3.Connection, vectoriser: Vectoriser) -> None:
    """Give each chunk that has no vector one."""
    missing = connection.execute("SELECT number FROM chunks WHERE number NOT IN (SELECT chunk FROM vectors)").fetchall()
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        texts = [connection.execute("SELECT passage FROM chunks WHERE number = ?", one).fetchone()[0] for one in batch]
        blobs = (vector.tobytes() for vector in vectoriser.encode(texts))
        pairs = ((number, blob) for (number,), blob in zip(batch, blobs, strict=True))
        connection.executemany("INSERT INTO vectors VALUES (?, ?)", pairs)


def _loaded(folder: Path, connection: sqlite3.Connection) -> _State:
    vectoriser = _vectoriser(folder, connection)
    numbers = [number for (number,) in connection.execute("SELECT number FROM chunks ORDER BY id")]
    places = {number: place for place, number in enumerate(numbers)}
    matrix = np.zeros((len(numbers), vectoriser.dimension), np.float32)
    for number, blob in connection.execute("SELECT chunk, vector FROM vectors"):
        matrix[places[number]] = np.frombuffer(blob, np.float32)  # of another length: damaged, a ValueError
    members: dict[str, Mask] = defaultdict(lambda: np.zeros(len(numbers), bool))
    for number, name in connection.execute("SELECT chunk, name FROM access"):
        members[name][places[number]] = True
    return _State(_about(connection)["revision"], vectoriser, numbers, places, matrix, dict(members))


def _by_words(connection: sqlite3.Connection, state: _State, question: str, known: Sequence[str]) -> list[int]:
    """The places of the best chunks by BM25 that one of the groups may see; ties by the chunk's id."""
    terms = _terms(state, question)
    if not terms or not known:
        return []
    # Each word is quoted, for an operator or a column's name among them is a word like any other.
    match = " OR ".join(f'"{term}"' for term in terms)
    found = connection.execute(LEXICAL.format(names=", ".join("?" * len(known))), (match, *known))
    # SQLite would have to look up the ids of all of them to break a tie.
    ranked = sorted((score, state.places[number]) for number, score in found)
    return [place for _, place in ranked[:DEPTH]]


def _terms(state: _State, question: str) -> list[str]:
    """The words to look up: those that carry meaning, if any do, and of them the rarest."""
    asked = list(dict.fromkeys(words.words(question)))
    bearing = [word for word in asked if words.content(word)] or asked
    weights = {word: max(state.vectoriser.weights(word).values(), default=1.0) for word in bearing}
    bearing.sort(key=weights.__getitem__, reverse=True)
    # A weight is 1 + ln(chunks / chunks with the word).
    matches = accumulate(len(state.numbers) * math.exp(1 - weights[word]) for word in bearing)
    few = [word for word, total in zip(bearing, matches, strict=True) if total <= MATCHES]
    return few or bearing[:1]


def _cosines(state: _State, question: str) -> Vectors:
    """Of the question and each chunk. Rounded, so that equal passages are equal wherever in the matrix they stand."""
    # As fast as BLAS, which would wake all its threads for a product that waits for memory.
    cosines: Vectors = np.einsum("nd,d->n", state.matrix, state.vectoriser.encode_one(question))
    return np.round(cosines, 6)


def _by_vectors(state: _State, cosines: Vectors, known: Sequence[str]) -> list[int]:
    """The places of the best chunks by cosine that one of the groups may see; ties by the chunk's id."""
    if not known:
        return []
    allowed = np.logical_or.reduce([state.members[name] for name in known]) & (cosines > 0)
    places = np.flatnonzero(allowed)
    if len(places) > DEPTH:
        limit = np.partition(cosines[places], -DEPTH)[-DEPTH]
        places = places[cosines[places] >= limit]
    return [int(place) for place in places[np.argsort(-cosines[places], kind="stable")][:DEPTH]]


def _fused(*rankings: Sequence[int]) -> dict[int, float]:
    """The score of each place in the rankings.

    Source: Cormack, Clarke and Büttcher, Reciprocal Rank Fusion outperforms Condorcet (2009).
    """
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, place in enumerate(ranking, 1):
            scores[place] += 1 / (SMOOTHING + rank)
    return scores


def _relevances(vectoriser: Vectoriser, question: str, found: Sequence[Chunk], cosines: Vectors) -> list[float]:
    weights = vectoriser.weights(question)
    total = sum(weights.values()) or 1.0
    known = sum(weight for term, weight in weights.items() if vectoriser.knows(term)) / total
    held = (weights.keys() & _content(f"{c.title}\n{c.heading}\n{c.text}") for c in found)
    shares = (sum(weights[term] for term in sorted(terms)) / total for terms in held)
    both = zip(shares, np.clip(cosines, 0, 1), strict=True)
    return [min(1.0, (share + known * float(cosine)) / 2) for share, cosine in both]


@lru_cache(maxsize=4096)
def _content(text: str) -> frozenset[str]:
    return frozenset(vectors.content(text))


def _chunk(connection: sqlite3.Connection, number: int) -> Chunk:
    found = connection.execute(SELECT, (number,)).fetchone()
    identity, document, title, heading, text, groups, updated, digest = found
    return Chunk(identity, document, title, heading, text, tuple(json.loads(groups)), updated, digest)


def _about(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, value FROM about"))


def _note(connection: sqlite3.Connection, **values: object) -> None:
    pairs = ((name, str(value)) for name, value in values.items())
    connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", pairs)


def _vectoriser(folder: Path, connection: sqlite3.Connection) -> Vectoriser:
    digest = _about(connection)["vectoriser"]
    path = _file(folder, digest)
    vectoriser = vectors.load(path)
    if vectoriser.digest != digest:
        raise InputError(f"{path} is not the vectoriser that {FILE} was built with: copy both anew, or train again")
    return vectoriser


def _file(folder: Path, digest: str) -> Path:
    return folder / f"vectoriser-{digest[:12]}.skops"


def _journal(folder: Path) -> Path:
    """Where SQLite keeps what it needs to take an unfinished transaction back."""
    return folder / f"{FILE}-journal"


def _tidy(folder: Path) -> None:
    """Remove vectorisers that the index no longer refers to, while nobody else can be writing one."""
    with _writing(folder) as connection:
        current = _file(folder, _about(connection)["vectoriser"])
        for path in folder.glob("vectoriser-*.skops*"):
            if path != current:
                path.unlink(missing_ok=True)


def _recover(folder: Path) -> None:
    """Take back what a process that died had begun: who only reads can't."""
    if _journal(folder).exists():
        with _explained(folder), closing(_connect(folder, "rw")) as connection:
            connection.execute("SELECT count(*) FROM about").fetchone()


@contextmanager
def _reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, in one transaction."""
    _recover(folder)
    with _explained(folder), closing(_connect(folder, "ro")) as connection:
        connection.execute("BEGIN")
        _check(folder, connection)
        try:
            yield connection
        except (KeyError, TypeError, ValueError) as error:  # what is read is not what was written
            raise InputError(f"{folder / FILE} is damaged ({type(error).__name__}: {error}): train again") from error


@contextmanager
def _writing(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection whose changes are all made at the end of the block, or none."""
    with _explained(folder), closing(_connect(folder, "rw")) as connection:
        connection.execute("BEGIN IMMEDIATE")  # closing without a commit takes all of it back
        _check(folder, connection)
        yield connection
        connection.execute("COMMIT")


def _connect(folder: Path, mode: str) -> sqlite3.Connection:
    path = folder / FILE
    if mode != "rwc" and not path.is_file():
        raise InputError(f"there is no index in {folder}: run `pipeline train` first")
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=PATIENCE, isolation_level=None)


def _check(folder: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise InputError(f"{folder / FILE} is no index of this project: train again")
    if version != VERSION:
        raise InputError(f"{folder / FILE} has version {version}, and this code reads version {VERSION}: train again")


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn what SQLite says of a file into one line with the mend."""
    path = folder / FILE
    try:
        yield
    except UnicodeEncodeError as error:
        raise InputError("a chunk holds a character that is no Unicode text: read its document as UTF-8") from error
    except sqlite3.OperationalError as error:
        raise InputError(
            f"cannot use {path} ({error}): check that you may read and write it, that the disk has room, and that no "
            "other process holds it; if it is damaged, train again"
        ) from error
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path} is damaged ({error}): train again") from error
