"""Training in one process or in several, on one machine or on several, by the variables that all launchers set.

`torchrun`, Azure ML (`distribution: {type: pytorch}`) and Databricks' TorchDistributor start the processes and set
WORLD_SIZE, RANK, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. Where nobody did and the settings ask for several, this
module starts them on this machine; they end with the process that started them.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import distributed, multiprocessing

from .errors import InputError
from .progress import say
from .settings import Compute

# A process whose peers are silent for so long gives up.
PATIENCE = timedelta(minutes=15)
# One that has lost a peer waits, so that whoever started them sees first which of them failed, and ends the others.
GRACE_SECONDS = 5.0

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
# Takes what the first process has to say while it works.
Hear = Callable[..., None]


@dataclass(frozen=True)
class Place:
    """Which of the `world` processes this is, how many are on this machine, and where it computes."""

    rank: int
    world: int
    machine: int
    device: torch.device
    rendezvous: str = "env://"

    @property
    def first(self) -> bool:
        """Whether this process speaks for all: prints, tracks and saves."""
        return self.rank == 0


def here() -> Place:
    """This process's place by its environment; alone where no launcher has set one.

    Raises:
        InputError: the launcher's variables are incomplete.
    """
    if "WORLD_SIZE" not in os.environ:
        return alone()
    try:
        world = int(os.environ["WORLD_SIZE"])
        rank, local = (int(os.environ[name]) if world > 1 else 0 for name in ("RANK", "LOCAL_RANK"))
        machine = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    except (KeyError, ValueError) as error:
        raise InputError(f"WORLD_SIZE is set, but not all that goes with it ({error}): start with torchrun") from error
    return Place(rank, world, machine, device(local))


def alone() -> Place:
    """The place of a process that trains by itself."""
    return Place(rank=0, world=1, machine=1, device=device(0))


def device(local: int) -> torch.device:
    """The GPU of process number `local` of this machine, or the CPU where there is none."""
    return torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")


def wanted(compute: Compute) -> int:
    """How many processes to start on this machine; one is this process itself, which a launcher may have started."""
    if "WORLD_SIZE" in os.environ:
        return 1
    if torch.cuda.is_available():
        return min(compute.processes, int(torch.cuda.device_count()))
    return compute.processes if compute.accelerator == "cpu" else 1


@contextmanager
def joined(place: Place) -> Iterator[None]:
    """Connect the processes while the block runs.

    Raises:
        InputError: another process has ended or does not answer.
    """
    if place.world == 1:
        yield
        return
    backend = "nccl" if place.device.type == "cuda" else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(place.device)
    try:
        distributed.init_process_group(
            backend, init_method=place.rendezvous, timeout=PATIENCE, rank=place.rank, world_size=place.world
        )
        yield
        distributed.barrier()
    except RuntimeError as error:
        if not _is_about_peers(error):
            raise
        time.sleep(GRACE_SECONDS)
        raise InputError(f"process {place.rank} lost another training process, whose error says why") from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _is_about_peers(error: RuntimeError) -> bool:
    """Whether an error comes from talking to other processes. Gloo's errors have no type of their own."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error).lower()


def spawned(
    count: int,
    work: Callable[Concatenate[Place, Hear, Arguments], Result],
    hear: Hear,
    *arguments: Arguments.args,
    **_: Arguments.kwargs,
) -> Result:
    """Run `work(place, hear, *arguments)` in `count` processes of this machine; what it returns in the first.

    Args:
        count: how many.
        work: a function of a module, since the processes import it.
        hear: is called here with what the first process calls its own `hear` with.
        arguments: for `work`, of types that can be pickled.

    Raises:
        InputError: one of the processes has failed; the others are ended.
    """
    with tempfile.TemporaryDirectory() as scratch:
        receiver, sender = multiprocessing.get_context("spawn").Pipe(duplex=False)
        context = multiprocessing.spawn(
            _run, (count, f"file://{scratch}/rendezvous", sender, work, arguments), count, join=False
        )
        sender.close()
        try:
            result: Result = _heard(receiver, context, hear)
            return result
        except (multiprocessing.ProcessRaisedException, multiprocessing.ProcessExitedException) as error:
            raise InputError(_words(error, count)) from error
        finally:
            for process in context.processes:
                process.kill()


def _run(rank: int, count: int, rendezvous: str, sender: Connection, work: Callable[..., Any], arguments: Any) -> None:
    """What a started process runs."""
    place = Place(rank, count, count, device(rank), rendezvous)

    def hear(*said: object) -> None:
        sender.send((False, said))

    with joined(place):
        result = work(place, hear if place.first else _ignore, *arguments)
    if place.first:
        sender.send((True, result))


def _ignore(*_: object) -> None:
    pass


def _heard(receiver: Connection, context: Any, hear: Hear) -> Any:
    """Pass on what the first process says, until all have ended; then its result."""
    result = None
    while not context.join(timeout=0):
        while receiver.poll(0.1):
            try:
                is_result, said = receiver.recv()
            except EOFError:  # the processes are ending
                context.join()
                return result
            if is_result:
                result = said
            else:
                hear(*said)
    return result


def _words(error: Any, count: int) -> str:
    """One line about a process that failed. Where it is not the user's to mend, its traceback is printed as well."""
    place = f"training process {error.error_index} of {count}"
    if not isinstance(error, multiprocessing.ProcessRaisedException):
        return f"{place} was ended from outside ({error}): is there enough memory?"
    kind, _, reason = str(error).strip().splitlines()[-1].partition(": ")
    if kind.endswith(".InputError"):
        return reason
    say(str(error))
    return f"{place} failed: {kind}: {reason}"
