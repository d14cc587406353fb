"""Several processes: they start, agree, and end together when one fails."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
import torch
from torch import distributed

from ticket_router import processes
from ticket_router.errors import InputError
from ticket_router.processes import Hear, Place
from ticket_router.settings import Compute


def add(place: Place, hear: Hear, number: int) -> int:
    """The sum of number + rank over all processes."""
    total = torch.tensor(number + place.rank)
    distributed.all_reduce(total)
    hear("heard", place.rank)
    return int(total)


def fail(place: Place, hear: Hear, error: BaseException | None) -> None:
    """The second process fails (or is killed), and the first waits for it."""
    if place.rank == 1:
        if error is None:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            raise error
    distributed.barrier()


def test_processes_compute_together() -> None:
    """The result is the first one's, and only the first one is heard."""
    heard: list[Any] = []
    assert processes.spawned(2, add, lambda *said: heard.append(said), 10) == 21
    assert heard == [("heard", 0)]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("mend this"), "^mend this$"),
        (ValueError("boom"), "^training process 1 of 2 failed: ValueError: boom$"),
        (None, "training process 1 of 2 was ended from outside.*SIGKILL.*memory"),
    ],
)
def test_one_failure_ends_all(error: BaseException | None, words: str) -> None:
    """The message is that of the process that failed, not of those that waited for it, and nothing hangs."""
    start = time.monotonic()
    with pytest.raises(InputError, match=words):
        processes.spawned(2, fail, print, error)
    assert time.monotonic() - start < 120


def test_a_launcher_says_where_a_process_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank and number come from the variables that torchrun and the platforms set; without them it is alone."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert processes.here().first
    for name, value in {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    place = processes.here()
    assert (place.rank, place.world, place.machine, place.first) == (3, 4, 2, False)
    monkeypatch.delenv("RANK")
    with pytest.raises(InputError, match=r"'RANK'.*torchrun"):
        processes.here()


def test_how_many_are_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the settings say, but no more than there are GPUs, and none where a launcher has started some."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    gpu, cpu = (Compute(accelerator=kind, processes=4) for kind in ("gpu", "cpu"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (processes.wanted(gpu), processes.wanted(cpu)) == (1, 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert processes.wanted(gpu) == 2
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert processes.wanted(gpu) == 1
