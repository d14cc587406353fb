"""Asks a chat server as many users at once would, and tells how it bore that.

Each user asks a question of the golden set, reads the stream to its end, rates now and then, and asks the next one.
Nobody pauses, so 50 users here are as many questions at a time, and far more people than that.

Run: uv run poe chat-load                      starts a server of its own
     uv run poe chat-load --url http://…       asks one that runs
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from handbook_assistant import NAME
from handbook_assistant.feedback import quantile

# Every so many answers of a user are rated.
RATED = 5


@dataclass
class Outcome:
    """What came of the questions: seconds of each answer, until its first piece and as a whole; and what went wrong."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    rated: int = 0


async def load(url: str, questions: Sequence[str], users: int, seconds: float, timeout: float = 60) -> Outcome:
    """Ask for some seconds. A question that has been asked by then is waited for."""
    outcome = Outcome()
    end = time.monotonic() + seconds
    limits = httpx.Limits(max_connections=users, max_keepalive_connections=users)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=timeout, trust_env=False) as client:
        await asyncio.gather(*(_user(client, questions, place, end, outcome) for place in range(users)))
    return outcome


async def _user(client: httpx.AsyncClient, questions: Sequence[str], place: int, end: float, outcome: Outcome) -> None:
    mine = itertools.islice(itertools.cycle(questions), place, None)
    for number, question in enumerate(mine, start=1):
        if time.monotonic() > end:
            return
        try:
            answer = await _ask(client, question, outcome)
            if number % RATED == 0:
                await _rate(client, answer, outcome)
        except (httpx.HTTPError, RuntimeError) as error:
            outcome.errors[str(error) or type(error).__name__] += 1


async def _ask(client: httpx.AsyncClient, question: str, outcome: Outcome) -> str:
    """The id of the answer."""
    start = time.perf_counter()
    async with client.stream("POST", "/chat", json={"question": question}) as reply:
        _check(reply)
        lines: list[str] = []
        async for line in reply.aiter_lines():
            if not lines:
                outcome.first.append(time.perf_counter() - start)
            lines.append(line)
    if "event: answer" not in lines:
        raise RuntimeError("the stream had no answer")
    outcome.whole.append(time.perf_counter() - start)
    data = lines[lines.index("event: answer") + 1].removeprefix("data: ")
    return str(json.loads(data)["id"])


async def _rate(client: httpx.AsyncClient, answer: str, outcome: Outcome) -> None:
    rating = {"id": secrets.token_hex(8), "answer": answer, "rating": secrets.choice(("up", "down"))}
    _check(await client.post("/feedback", json=rating))
    outcome.rated += 1


def _check(reply: httpx.Response) -> None:
    if reply.status_code != httpx.codes.OK:
        raise RuntimeError(f"status {reply.status_code}")


def report(outcome: Outcome, seconds: float) -> Iterator[str]:
    """Lines to print."""
    yield f"{len(outcome.whole)} answers, {outcome.rated} ratings, {outcome.errors.total()} errors"
    yield f"{len(outcome.whole) / seconds:.1f} answers a second"
    for name, times in (("first piece", outcome.first), ("whole answer", outcome.whole)):
        shares = ((f"p{share}", quantile(times, share / 100)) for share in (50, 95, 99))
        yield f"{name}: " + ", ".join(f"{mark} {value * 1000:.0f} ms" for mark, value in shares if value is not None)
    yield from (f"{number} times {error}" for error, number in outcome.errors.most_common())


@contextmanager
def server(words: Sequence[str]) -> Iterator[str]:
    """The address of a server of our own, with feedback that nobody needs."""
    with tempfile.TemporaryDirectory() as scratch:
        options = ["--port", "0", "--feedback", f"{scratch}/feedback.db", *words]
        log = Path(scratch, "log")
        with log.open("w") as errors:
            command = [sys.executable, "-m", f"{NAME}.server", *options]
            started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            yield _address(started, log)
        finally:
            started.terminate()
            started.communicate()


def _address(started: subprocess.Popen[str], log: Path) -> str:
    """What the server prints when it is ready; other lines may come before."""
    for line in started.stdout or ():
        if " answers at " in line:
            return line.split()[-1]
    sys.exit(f"error: the server did not start: {(log.read_text().strip().splitlines() or ['no message'])[-1]}")


def main() -> None:
    """Load a server and print what it took; exit code 1 when a question got no answer."""
    parser = argparse.ArgumentParser(description="Ask a chat server as many users at once would.")
    parser.add_argument("--url", help="of a server that runs; without it one is started")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--questions", type=Path, default=Path("evals/golden.jsonl"))
    given, words = parser.parse_known_args()
    questions = [json.loads(line)["question"] for line in given.questions.read_text(encoding="utf-8").splitlines()]
    with server(words) if given.url is None else nullcontext(given.url) as url:
        outcome = asyncio.run(load(url, questions, given.users, given.seconds))
    print(*report(outcome, given.seconds), sep="\n")
    sys.exit(1 if outcome.errors else 0)


if __name__ == "__main__":
    main()
