"""A small chain, and servers of it: in this process, or in one that can be killed.

Run: python -m chat FOLDER     starts one with its feedback in FOLDER
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from handbook_assistant.chain import Answer, Chain
from handbook_assistant.feedback import Store
from handbook_assistant.generate.extractive import Extractive
from handbook_assistant.schema import Chunk
from handbook_assistant.server.__main__ import listening, run
from handbook_assistant.server.app import Options, create

VERSION = "7"
QUESTION = "What does a canary release send to the new version?"
SALARY = "What is the salary of a release engineer?"
PASSAGES = {
    "canary": ("everyone", "A canary release sends 5 % of the traffic to the new version."),
    "rollback": ("everyone", "A rollback brings the former version back within a minute."),
    "salary": ("people", "The salary of a release engineer is 90,000 euros."),
    "markup": ("everyone", "The <b>bold</b> tag of a template is <script>alert(1)</script> in the sample."),
}


def chunks() -> Iterator[Chunk]:
    """A passage a document."""
    for place, (name, (group, text)) in enumerate(PASSAGES.items()):
        yield Chunk(name, f"{name}.md", f"About {name}", "Releases", text, (group,), "", f"{place:064}")


def chain(folder: Path, relevance_at_least: float = 0.3) -> Chain:
    """A chain that quotes."""
    from handbook_assistant.index.sqlite import SqliteIndex

    return Chain(SqliteIndex.build(folder / "index", chunks()), Extractive(relevance_at_least))


class Echo:
    """A chain that says the same to everybody, and is there at once."""

    def answer(self, *_: object) -> Answer:
        return Answer("Yes.", (), "answered")

    def stream(self, *_: object) -> Iterator[str | Answer]:
        yield from ("Yes.", self.answer())


class Slow:
    """A chain that answers when it is let, a word at a time.

    started: how many answers have begun. closed: how many streams were given up.
    """

    def __init__(self) -> None:
        self.go = threading.Event()
        self.started = self.closed = 0

    def answer(self, *_: object) -> Answer:
        self.started += 1
        self.go.wait(30)
        return Answer("At last.", (), "answered")

    def stream(self, *_: object) -> Iterator[str | Answer]:
        try:
            yield "At "
            yield self.answer()
        except GeneratorExit:
            self.closed += 1
            raise


class Failing:
    """A chain that raises, before its first piece or after it."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def answer(self, *_: object) -> Answer:
        raise self.error

    def stream(self, question: str, *_: object) -> Iterator[str | Answer]:
        if "late" in question:
            yield "The"
        raise self.error


class TakenBack:
    """A chain whose stream shows what its answer does not say."""

    def answer(self, *_: object) -> Answer:
        return Answer("There is no answer.", (), "abstained", "the passages do not hold it")

    def stream(self, *_: object) -> Iterator[str | Answer]:
        yield "A secret that nobody may keep."
        yield self.answer()


@contextmanager
def serving(answering: Any, feedback: Path, options: Options | None = None) -> Iterator[httpx.Client]:
    """A client of a server in this process."""
    app = create(answering, VERSION, Store(feedback), options or Options())
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    listener = listening("127.0.0.1", 0)
    listener.listen()
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    started = subprocess.Popen(
        [sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert started.stdout is not None
        yield started, started.stdout.readline().split()[-1]
    finally:
        started.kill()
        started.communicate()


def until(condition: Any) -> None:
    """Wait for a condition, half a minute at most."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.01)


def main(folder: Path) -> None:
    """Serve until a signal comes."""
    listener = listening("127.0.0.1", 0)
    run(create(Echo(), VERSION, Store(folder / "feedback.db")), listener, VERSION)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
