"""What is kept of answers and ratings, for how long, and what comes out of it."""

from __future__ import annotations

import json
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from handbook_assistant import feedback
from handbook_assistant.chain import Answer, Citation, Outcome
from handbook_assistant.errors import InputError
from handbook_assistant.feedback import ConflictError, Rated, Store, UnknownError

CITED = Citation("c1", "releases/canary.md", "Canary", "", "It sends 5 % of the traffic.")


def answered(outcome: Outcome = "answered", text: str = "It sends 5 % [1].") -> Answer:
    """An answer of a language model."""
    citations = (CITED,) if outcome == "answered" else ()
    return Answer(text, citations, outcome, "" if citations else "why not", "tiny", "0" * 64, 100, 10)


def rows(path: Path, query: str) -> list[Any]:
    """What the file says to a query."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where feedback is kept."""
    return tmp_path / "deep/feedback.db"


def test_an_answer_is_kept_with_all_that_monitoring_needs(path: Path) -> None:
    """The passage itself is not among it."""
    identity = Store(path).keep("What does it send?", ["people", "everyone"], answered(), "7", 12.5)
    (row,) = rows(path, "SELECT * FROM answers")
    assert row[:1] + row[2:] == (
        identity,
        "What does it send?",
        '["everyone", "people"]',
        "It sends 5 % [1].",
        '[{"chunk": "c1", "document": "releases/canary.md"}]',
        "answered",
        "",
        "7",
        "tiny",
        "0" * 64,
        100,
        10,
        12.5,
    )
    assert CITED.quote.encode() not in path.read_bytes()


def test_personal_data_is_never_written(path: Path) -> None:
    """Neither of questions, nor of answers, nor of comments, also not somewhere in the file."""
    store = Store(path)
    identity = store.keep("Is ada@example.com there?", ["everyone"], answered(text="Ask bob@example.com"), "7", 1)
    store.rate(Rated("rating-1", identity, "down", "Call +43 660 1234567 or xanthippe@example.com"))
    store.close()
    written = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert b"[e-mail address]" in written
    assert not [name for name in (b"ada@", b"bob@", b"xanthippe", b"1234567") if name in written]


def test_what_is_too_old_is_forgotten(path: Path) -> None:
    """With its ratings, and its bytes are overwritten."""
    store = Store(path, keep_days=30)
    old, new = (store.keep(f"question-{name}", ["everyone"], answered(), "7", 1) for name in ("old", "new"))
    store.rate(Rated("rating-1", old, "down", "remark-old"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE answers SET at = at - 31 * 86400 WHERE id = ?", (old,))
    store.close()
    Store(path, keep_days=30).close()
    assert [row[0] for row in rows(path, "SELECT id FROM answers")] == [new]
    assert not rows(path, "SELECT * FROM ratings")
    assert b"-old" not in path.read_bytes()


def test_a_rating_is_idempotent(path: Path) -> None:
    """The same one is kept once; another one under its id is refused, and so is the eleventh of an answer."""
    store = Store(path)
    identity = store.keep("?", ["everyone"], answered(), "7", 1)
    for _ in range(3):
        store.rate(Rated("rating-0", identity, "down", "no"))
    with pytest.raises(ConflictError, match="new one"):
        store.rate(Rated("rating-0", identity, "up", "no"))
    for number in range(1, feedback.RATINGS):
        store.rate(Rated(f"rating-{number}", identity, "up"))
    with pytest.raises(ConflictError, match="enough"):
        store.rate(Rated("rating-x", identity, "up"))
    store.rate(Rated("rating-0", identity, "down", "no"))
    assert rows(path, "SELECT count(*) FROM ratings") == [(feedback.RATINGS,)]


def test_an_answer_that_nobody_gave_cannot_be_rated(path: Path) -> None:
    """Nothing is kept."""
    with pytest.raises(UnknownError):
        Store(path).rate(Rated("rating-1", "x", "up"))
    assert not rows(path, "SELECT * FROM ratings")


def test_threads_share_a_store(path: Path) -> None:
    """All that was kept is there, each once."""
    store = Store(path)

    def keep(number: int) -> str:
        identity = store.keep(f"{number}?", ["everyone"], answered(), "7", 1)
        store.rate(Rated(f"rating-{number}", identity, "up"))
        return identity

    with ThreadPoolExecutor(8) as pool:
        kept = set(pool.map(keep, range(80)))
    assert len(kept) == 80
    assert {row[0] for row in rows(path, "SELECT answer FROM ratings")} == kept


def test_everything_is_on_the_disk_at_each_commit(path: Path) -> None:
    """The settings of the file and of the connection say so."""
    store = Store(path)
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be one" * 30, None])
def test_a_file_of_others_is_left_alone(tmp_path: Path, content: bytes | None) -> None:
    """It is named, with the mend."""
    path = tmp_path / "other.db"
    if content is None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE answers (x)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(InputError, match="give --feedback"):
        Store(path)
    with pytest.raises(InputError, match="--feedback"):
        feedback.summary(path, 7)
    if content is not None:
        assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """In one line with the mend."""
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="give --feedback"):
        Store(tmp_path / "file/feedback.db")
    with pytest.raises(InputError, match="poe chat"):
        feedback.candidates(tmp_path / "none.db")


# What comes out of it


@pytest.fixture
def filled(path: Path) -> Path:
    """A file with answers and ratings of each kind."""
    store = Store(path)

    def ask(question: str, outcome: Outcome, *ratings: feedback.Rating) -> None:
        identity = store.keep(question, ["everyone"], answered(outcome), "7", 20)
        for number, rating in enumerate(ratings):
            store.rate(Rated(f"{identity}-{number}", identity, rating, "too short" if rating == "down" else ""))

    ask("Good?", "answered", "up")
    ask("Bad?", "answered", "up", "down")
    ask("Better now?", "answered", "down", "up")
    ask("Missing?", "abstained")
    ask(" missing ", "abstained", "up")
    ask("Forbidden?", "refused")
    store.close()
    return path


def test_doubtful_questions_become_candidates(filled: Path) -> None:
    """What was rated down last, and what had no answer, each once, in the form of the golden set."""
    found = feedback.candidates(filled)
    assert [(each["question"], each["documents"], each["why"]) for each in found] == [
        ("Bad?", ["releases/canary.md"], "rated down: too short"),
        ("Missing?", [], "abstained"),
    ]
    golden = json.loads((Path(__file__).parents[1] / feedback.GOLDEN).read_text().splitlines()[0])
    assert all(golden.keys() <= each.keys() and each["answer"] == "" for each in found)


def test_an_export_adds_what_is_new(filled: Path, tmp_path: Path) -> None:
    """What people have written into the file stays, and a question of the golden set does not come again."""
    to, golden = tmp_path / "evals/candidates.jsonl", tmp_path / "golden.jsonl"
    records = feedback.candidates(filled)
    assert feedback.append(records[:1], to, golden) == 1
    edited = to.read_text().replace('"answer": ""', '"answer": "Written by hand."').rstrip("\n")
    to.write_text(edited)
    assert feedback.append(records, to, golden) == 1
    assert to.read_text().startswith(f"{edited}\n")
    assert feedback.append(records, to, golden) == 0
    golden.write_text(json.dumps({"id": "q", "question": "missing"}) + "\n")
    to.unlink()
    assert feedback.append(records, to, golden) == 1
    assert "Missing" not in to.read_text()


def test_a_line_that_is_none_stops_an_export(filled: Path, tmp_path: Path) -> None:
    """Nothing is lost of the file."""
    to = tmp_path / "candidates.jsonl"
    to.write_text("[half a line")
    with pytest.raises(InputError, match="mend or delete"):
        feedback.append(feedback.candidates(filled), to, tmp_path / "golden.jsonl")
    assert to.read_text() == "[half a line"


def test_the_summary_counts_what_people_thought(filled: Path) -> None:
    """The last rating of each answer counts; what is older than the window does not."""
    found = feedback.summary(filled, 7)
    assert {name: found[name] for name in ("answers", "rated", "tokens_in", "tokens_out", "latency_p95_ms")} == {
        "answers": 6,
        "rated": 4,
        "tokens_in": 600,
        "tokens_out": 60,
        "latency_p95_ms": 20,
    }
    shares = {name: value for name, value in found.items() if name.startswith("share")}
    assert shares == {
        "share_answered": 0.5,
        "share_abstained": pytest.approx(1 / 3),
        "share_refused": pytest.approx(1 / 6),
        "share_rated_down": 0.25,
    }
    assert feedback.summary(filled, 1e-9)["share_rated_down"] is None


def test_the_commands_print_what_they_did(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line or JSON on standard output; what is wrong in one line on standard error."""
    monkeypatch.chdir(tmp_path)

    def command(*words: object) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["feedback", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            feedback.main()
        return stop.value.code or 0, *capsys.readouterr()

    assert command("export", "--feedback", filled) == (0, "2 new questions in evals/candidates.jsonl\n", "")
    code, printed, _ = command("summary", "--feedback", filled)
    assert (code, json.loads(printed)["answers"]) == (0, 6)
    code, _, error = command("summary", "--feedback", "none.db")
    assert (code, error.startswith("error: "), error.count("\n")) == (2, True, 1)


@pytest.mark.parametrize(
    ("values", "share", "expected"), [([], 0.5, None), ([3, 1, 2], 0.5, 2), ([3, 1, 2], 0.95, 3), ([5], 0, 5)]
)
def test_a_quantile_is_one_of_the_values(values: list[float], share: float, expected: float | None) -> None:
    """None of no values."""
    assert feedback.quantile(values, share) == expected
