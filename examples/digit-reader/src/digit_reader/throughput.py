"""How fast training could be and how fast it is: `python -m <package>.throughput`, on the machine that trains.

Two things can hold a training back: reading pictures, and computing. Each is measured alone, then both together. A
fraction well below 1 means that the two do not overlap. Where reading is the slower one, more cores or a larger
train.decoded_mib help; else a faster device or a smaller network.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count, repeat
from pathlib import Path
from typing import Annotated

import torch
import typer

from . import batches, processes, training
from .cli import DATA, DEV, Config, Data, Set
from .errors import PipelineError
from .progress import say
from .settings import Settings, load

# The first steps pay for what is loaded late.
WARM_UP = 3
# The schedule needs an end, which a measurement never sees.
STEPS = 10**9


def measure(data: Path, settings: Settings, seconds: float) -> dict[str, float]:
    """Pictures per second that one process reads, computes with, and trains on.

    Args:
        data: folder of the prepared rows.
        settings: of the run.
        seconds: for each of the three.

    Returns:
        input (reading and decoding alone), compute (learning from one batch again and again), training (both), and
        fraction: training as a share of the slower of the two.

    Raises:
        InputError: as `training.fit`.
    """
    place = processes.alone()
    with processes.joined(place):
        pictures = batches.read(data, "train", settings.train.decoded_mib)
        learner = training.Learner(settings.train, place, STEPS)
        size = training.batch_size(len(pictures), settings.train, place.world)
        generator = learner.begin(epoch=0)

        def learn(batch: batches.Batch) -> None:
            learner.step(batch, generator)

        one = next(_endless(pictures, size, place))
        read = _rate(_endless(pictures, size, place), lambda _: None, place.device, seconds)
        compute = _rate(repeat(one), learn, place.device, seconds)
        train = _rate(_endless(pictures, size, place), learn, place.device, seconds)
    return {"input": read, "compute": compute, "training": train, "fraction": train / min(read, compute)}


def _endless(pictures: batches.Pictures, size: int, place: processes.Place) -> Iterator[batches.Batch]:
    """The batches of one epoch after the other."""
    for epoch in count():
        order = batches.shuffled(len(pictures), size, 0, epoch, place.rank, place.world)
        yield from batches.loaded(pictures, order, place.device, place.machine)


def _rate(
    found: Iterable[batches.Batch], use: Callable[[batches.Batch], None], device: torch.device, seconds: float
) -> float:
    """Pictures per second of `use` on batch after batch, once warm."""
    pictures, start = 0, 0.0
    for number, batch in enumerate(found):
        if number == WARM_UP:
            start = _now(device)
        use(batch)
        if number >= WARM_UP:
            pictures += len(batch[1])
            if time.perf_counter() - start >= seconds:
                break
    return pictures / (_now(device) - start)


def _now(device: torch.device) -> float:
    """The time when all that a GPU was asked for is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def main(
    data: Data = DATA,
    config: Config = DEV,
    pairs: Set = None,
    seconds: Annotated[float, typer.Option(help="For each of the three measurements.", min=0.1)] = 5.0,
) -> None:
    """Measure and print. A problem that the user can mend is one line on standard error."""
    try:
        settings = load(config, pairs or ())
        place = processes.alone()
        mixed = training.is_mixed(settings.train, place.device)
        rates = measure(data, settings, seconds)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    name = torch.cuda.get_device_name(place.device) if place.device.type == "cuda" else "CPU"
    say(f"device: {name} · {torch.get_num_threads()} threads")
    say(f"precision: {'bfloat16 where it is safe' if mixed else 'float32'}")
    for what in ("input", "compute", "training"):
        say(f"{what}: {rates[what]:,.0f} pictures/s")
    say(f"fraction of the limit reached: {rates['fraction']:.2f}")


if __name__ == "__main__":
    typer.run(main)
