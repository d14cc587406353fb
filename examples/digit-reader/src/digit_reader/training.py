"""How a network learns: epochs over the training pictures, until the validation loss stops falling.

The result depends on the seed and the global batch size, and hardly on the number of processes. A training that was
killed and is started again ends with the same numbers: see checkpoint.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed, nn

from . import batches, checkpoint, network, processes, schema, transforms
from .errors import InputError
from .parameters import Train
from .processes import Place
from .progress import importing
from .settings import Settings

# The parameters and statistics of a network by name.
Weights = dict[str, npt.NDArray[Any]]
# Of an epoch: its number, losses, accuracy and seconds, by name.
Values = dict[str, float]
# Is told after each step how many pictures it took, and after each epoch its values.
Report = Callable[[int, Values], None]

VALIDATION_BATCH = 256


def fit(data: Path, settings: Settings, report: Report) -> Weights:
    """Train, in as many processes as the settings and the machine give, and return the best epoch's weights.

    Where a launcher has started several processes, each calls this.

    Args:
        data: folder of the prepared rows.
        settings: of the run.
        report: is called in this process, for the first of all only.

    Raises:
        InputError: the rows are missing, or settings, rows and machine do not go together.
    """
    count = processes.wanted(settings.compute)
    if count > 1:
        return processes.spawned(count, _fit, report, data, settings.train)
    place = processes.here()
    with processes.joined(place):
        return _fit(place, report, data, settings.train)


def _fit(place: Place, report: Report, data: Path, settings: Train) -> Weights:
    fitting, validation = (batches.read(data, part, settings.decoded_mib) for part in ("train", "validation"))
    size = batch_size(len(fitting), settings, place.world)
    learner = Learner(settings, place, len(fitting) // size * settings.epochs)
    mark = checkpoint.fingerprint(settings, data)
    history, best = _resumed(learner, mark)
    for values in history if place.first else ():
        report(0, values)
    while len(history) < settings.epochs and _stale(history) < settings.patience:
        values = _epoch(learner, fitting, validation, size, len(history) + 1, report)
        history.append(values)
        if _stale(history) == 0:
            best = learner.weights()
        ends = len(history) == settings.epochs or _stale(history) == settings.patience
        if place.first and (ends or len(history) % settings.checkpoint_every == 0):
            checkpoint.write(settings.checkpoint, mark, {"history": history, "best": best, **learner.state()})
        if place.first:
            report(0, values)
    return {name: weight.numpy() for name, weight in best.items()}


class Learner:
    """A network with its optimizer and schedule, in one of `place.world` processes that learn together."""

    def __init__(self, settings: Train, place: Place, steps: int) -> None:
        """Build an untrained network.

        Args:
            settings: what to build, and how it learns.
            place: of this process.
            steps: of the whole training.
        """
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        self.settings, self.place = settings, place
        self.network = network.build(settings, len(schema.CLASSES)).to(place.device)
        self.together = self._together() if place.world > 1 else self.network
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        with importing():  # of PyTorch's compiler, with the first optimizer
            self.optimizer = torch.optim.AdamW(parameters, settings.learning_rate, weight_decay=settings.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, settings.learning_rate, steps)
        self.loss = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)

    def _together(self) -> nn.Module:
        devices = None
        if self.place.device.type == "cuda":
            devices = [self.place.device]
            self.network = nn.SyncBatchNorm.convert_sync_batchnorm(self.network)
        return nn.parallel.DistributedDataParallel(self.network, device_ids=devices)

    def begin(self, epoch: int) -> torch.Generator:
        """Make all chance in an epoch follow from the seed, the epoch and the process; for augmentation a generator."""
        self.together.train()
        numbers = np.random.SeedSequence((self.settings.seed, epoch, self.place.rank)).generate_state(2)
        torch.manual_seed(int(numbers[0]))
        return torch.Generator().manual_seed(int(numbers[1]))

    def step(self, batch: batches.Batch, generator: torch.Generator) -> torch.Tensor:
        """Learn from this process's part of a batch, and return its mean loss."""
        images, labels = batch
        if self.settings.augment:
            images = transforms.augment(images, generator)
        with self.precision():
            loss = self.loss(self.together(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.detach()

    def precision(self) -> AbstractContextManager[object]:
        """Within it, PyTorch takes bfloat16 where that is safe and wished."""
        mixed = is_mixed(self.settings, self.place.device)
        return torch.autocast("cuda", torch.bfloat16) if mixed else nullcontext()

    def evaluate(self, found: Iterable[batches.Batch]) -> torch.Tensor:
        """Sums over this process's pictures: log loss, correct ones, number."""
        self.network.eval()
        sums = torch.zeros(3, dtype=torch.float64, device=self.place.device)
        with torch.inference_mode():
            for images, labels in found:
                with self.precision():
                    scores = self.network(images).float()
                loss = nn.functional.cross_entropy(scores, labels, reduction="sum").double()
                correct = (scores.argmax(1) == labels).sum().double()
                sums += torch.stack([loss, correct, torch.full_like(loss, len(labels))])
        return sums

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of the network's weights, in main memory."""
        return {name: weight.detach().cpu().clone() for name, weight in self.network.state_dict().items()}

    def state(self) -> checkpoint.State:
        """All that the next epoch depends on."""
        return {
            "network": self.weights(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def resume(self, state: checkpoint.State) -> None:
        """Go on from what `state` returned."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])


def is_mixed(settings: Train, device: torch.device) -> bool:
    """Whether to compute in bfloat16: on GPUs that have it, which older ones only imitate."""
    if device.type != "cuda" or not settings.mixed_precision:
        return False
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def batch_size(pictures: int, settings: Train, world: int) -> int:
    """The size of a batch of all processes: that of the settings, or all pictures if there are fewer.

    Raises:
        InputError: it can't be shared equally, or a process would get fewer than the two that statistics need.
    """
    size = min(settings.batch_size, pictures // world * world)
    if size % world or size < 2 * world:
        raise InputError(
            f"a batch of {size} pictures cannot be shared by {world} processes: "
            f"make train.batch_size a multiple of {world}, or start fewer processes"
        )
    return size


def _resumed(learner: Learner, mark: str) -> tuple[list[Values], dict[str, torch.Tensor]]:
    """The epochs done before, and the best one's weights. Read by the first process, for all of them."""
    place = learner.place
    found = [checkpoint.read(learner.settings.checkpoint, mark) if place.first else None]
    if place.world > 1:
        distributed.broadcast_object_list(found)
    if found[0] is None:
        return [], learner.weights()
    learner.resume(found[0])
    return list(found[0]["history"]), found[0]["best"]


def _epoch(
    learner: Learner, fitting: batches.Pictures, validation: batches.Pictures, size: int, number: int, report: Report
) -> Values:
    """One pass over the training pictures, and over the validation pictures to see what was learned."""
    start, place = time.perf_counter(), learner.place
    order = batches.shuffled(len(fitting), size, learner.settings.seed, number, place.rank, place.world)
    generator = learner.begin(number)
    total = torch.zeros((), device=place.device)
    for batch in batches.loaded(fitting, order, place.device, place.machine):
        total += learner.step(batch, generator)
        if place.first:
            report(size, {})
    share = batches.in_order(len(validation), VALIDATION_BATCH, place.rank, place.world)
    if place.world > 1:
        _share_statistics(learner.network)
    sums = learner.evaluate(batches.loaded(validation, share, place.device, place.machine))
    loss, correct, pictures, fitting_loss = _summed(torch.cat([sums, total.double().view(1)]), place.world)
    values = {
        "epoch": number,
        "epoch_loss": fitting_loss / place.world / len(order),
        "epoch_validation_loss": loss / pictures,
        "epoch_validation_accuracy": correct / pictures,
        "epoch_seconds": time.perf_counter() - start,
    }
    if not math.isfinite(values["epoch_loss"]) or not math.isfinite(values["epoch_validation_loss"]):
        raise InputError(f"the loss of epoch {number} is not a number: lower train.learning_rate")
    return values


def _share_statistics(module: nn.Module) -> None:
    """Give all processes the first one's statistics of normalisation, which each kept of its own pictures."""
    for buffer in module.buffers():
        distributed.broadcast(buffer, 0)


def _summed(values: torch.Tensor, world: int) -> list[float]:
    if world > 1:
        distributed.all_reduce(values)
    return [float(value) for value in values]


def _stale(history: list[Values]) -> int:
    """Epochs since the lowest validation loss."""
    losses = [values["epoch_validation_loss"] for values in history]
    return len(losses) - 1 - int(np.argmin(losses)) if losses else 0
