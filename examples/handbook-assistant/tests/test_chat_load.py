"""The load test itself: it counts answers, ratings and errors as they are."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import chat

from handbook_assistant.errors import InputError

sys.path.insert(0, str(Path(__file__).parents[1]))

from tasks import chat_load


def test_answers_and_ratings_are_counted(tmp_path: Path) -> None:
    """Each user asks until the time is over."""
    with chat.serving(chat.Echo(), tmp_path / "f.db") as client:
        outcome = asyncio.run(chat_load.load(str(client.base_url), ["Yes?", "No?"], users=3, seconds=0.5))
    assert len(outcome.whole) == len(outcome.first) >= 3
    assert outcome.rated == ratings(tmp_path / "f.db")
    assert not outcome.errors
    assert next(iter(chat_load.report(outcome, 0.5))).endswith(" 0 errors")


def ratings(path: Path) -> int:
    """How many the server has kept."""
    with closing(sqlite3.connect(path)) as kept:
        return int(kept.execute("SELECT count(*) FROM ratings").fetchone()[0])


def test_errors_are_counted(tmp_path: Path) -> None:
    """Those of a status, and those of a stream that breaks."""
    with chat.serving(chat.Failing(InputError("no")), tmp_path / "f.db") as client:
        outcome = asyncio.run(chat_load.load(str(client.base_url), ["early", "late"], users=2, seconds=0.2))
    assert set(outcome.errors) == {"status 502", "the stream had no answer"}
    assert not outcome.whole
