"""How fast training could be and how fast it is: `python -m <package>.throughput`, on the machine that trains.

Two things can hold a training back: making batches of tokens, and computing. Each is measured alone, then both
together. A fraction well below 1 means that the two do not overlap. Computing is nearly always the slower one: a
faster device, a smaller train.max_tokens or a smaller network help.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from transformers import Trainer, TrainerCallback

from . import pretrained, processes, rows, training
from .cli import DATA, DEV, Config, Data, Set
from .errors import PipelineError
from .progress import say
from .settings import Settings, load
from .training import Examples

# The first steps pay for what is loaded late.
WARM_UP = 3
# An epoch of the measurement: batches of all lengths, and few enough to see each several times.
BATCHES = 20
# A training needs an end, which a measurement never sees.
STEPS = 10**6


def measure(data: Path, settings: Settings, seconds: float) -> dict[str, float]:
    """Texts per second that one process makes batches of, computes with, and trains on.

    Args:
        data: folder of the prepared rows.
        settings: of the run.
        seconds: for each of the three.

    Returns:
        input (tokens and batches alone), compute (learning from batches that are made already), training (both), and
        fraction: training as a share of the slower of the two.

    Raises:
        InputError: as `training.fit`.
    """
    fitting = rows.prepared(data, "train")
    some = fitting.head(BATCHES * settings.train.batch_size)
    examples = training.examples(some, training.known_classes(some))
    with tempfile.TemporaryDirectory() as scratch, training.threads(settings.train):
        clock = _Clock(seconds)
        trainer, read = _prepared(examples, settings, clock, scratch)
        size = settings.train.batch_size
        texts = size * _rate(read, seconds)
        trainer.train()
        train = size * clock.rate()
        batches = cycle(list(trainer.get_train_dataloader()))
        compute = size * _rate(lambda: _learn(trainer, next(batches)), seconds)
    return {"input": texts, "compute": compute, "training": train, "fraction": train / min(texts, compute)}


def _prepared(
    examples: Examples, settings: Settings, clock: TrainerCallback, scratch: str
) -> tuple[Trainer, Callable[[], object]]:
    """A trainer that ends when the clock says so, and what makes one batch of texts."""
    train = settings.train
    classes = [str(label) for label in range(max(examples.labels) + 1)]
    network, tokenizer = pretrained.start(train, examples.texts, classes)
    if train.lora_rank:
        network = training.adapted(network, train)
    quiet = {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
    told = training.arguments(train, STEPS, processes.alone(), max_steps=STEPS, output_dir=scratch, **quiet)
    first = Examples(examples.texts[: train.batch_size], examples.labels[: train.batch_size])
    padding = int(network.config.pad_token_id)
    trainer = training.build(network, told, (training.encoded(tokenizer, examples), []), [clock])
    return trainer, lambda: training.collate(training.encoded(tokenizer, first), padding)


class _Clock(TrainerCallback):  # type: ignore[misc]
    """Ends a training after some seconds, and knows how many steps a second it made."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.start, self.end, self.steps = seconds, 0.0, 0.0, 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        if state.global_step <= WARM_UP:
            self.start = _now()
        elif time.perf_counter() - self.start >= self.seconds:
            self.end, self.steps = _now(), state.global_step - WARM_UP
            control.should_training_stop = True

    def rate(self) -> float:
        return self.steps / (self.end - self.start)


def _learn(trainer: Trainer, batch: Any) -> None:
    trainer.training_step(trainer.model_wrapped, batch)
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()


def _rate(work: Callable[[], object], seconds: float) -> float:
    """How often a second something can be done, once warm."""
    for _ in range(WARM_UP):
        work()
    start, times = _now(), 0
    while time.perf_counter() - start < seconds:
        work()
        times += 1
    return times / (_now() - start)


def _now() -> float:
    """The time when all that a GPU was asked for is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
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
        device = processes.alone().device
        rates = measure(data, settings, seconds)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    on_gpu = device.type == "cuda"
    mixed = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    say(f"device: {torch.cuda.get_device_name(device) if on_gpu else 'CPU'} · {torch.get_num_threads()} threads")
    say(f"precision: {'bfloat16 where it is safe' if mixed else 'float32'}")
    for what in ("input", "compute", "training"):
        say(f"{what}: {rates[what]:,.0f} texts/s")
    say(f"fraction of the limit reached: {rates['fraction']:.2f}")


if __name__ == "__main__":
    typer.run(main)
