"""Prepared pictures as batches of tensors, the same for every number of processes.

The encoded pictures stay in Arrow's memory, which forked loader processes share. When all of them fit, they are
decoded once at the start; else loader processes decode them anew in each epoch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as arrow
import pyarrow.parquet as parquet
import torch
from torch.utils.data import DataLoader

from . import schema, transforms
from .errors import InputError

# Loader processes of one training process, at most.
LOADERS = 8

# N x C x H x W values from 0 to 1, and the positions of the N labels in schema.CLASSES.
Batch = tuple[torch.Tensor, torch.Tensor]
# Positions of pictures, one array a batch.
Order = list[npt.NDArray[np.int64]]


class Pictures:
    """The pictures and labels of one prepared part."""

    def __init__(self, contents: arrow.ChunkedArray, labels: npt.NDArray[np.int64], decoded_mib: int) -> None:
        """Decode all pictures if they take no more than `decoded_mib` MiB."""
        self.contents, self.labels = contents, labels
        size = len(labels) * transforms.SIZE**2 * transforms.CHANNELS
        self.decoded = self._decode(np.arange(len(labels))) if size <= decoded_mib * 2**20 else None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, positions: npt.NDArray[np.int64]) -> Batch:
        """The batch of the pictures at `positions`."""
        pictures = self._decode(positions) if self.decoded is None else self.decoded[positions]
        return torch.from_numpy(transforms.scaled(pictures)), torch.from_numpy(self.labels[positions])

    def _decode(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        return np.stack([transforms.decode(self.contents[int(position)].as_py()) for position in positions])


def read(data: Path, part: str, decoded_mib: int) -> Pictures:
    """The pictures of one part, such as "train", that `pipeline prepare` wrote.

    Raises:
        InputError: they are missing or damaged.
    """
    path = file(data, part)
    try:
        table = parquet.read_table(path, columns=[schema.CONTENT, schema.TARGET])
    except (arrow.ArrowInvalid, OSError) as error:
        raise InputError(f"cannot read {path}: {str(error).splitlines()[0]}; run `pipeline prepare` again") from error
    return Pictures(table[schema.CONTENT], _positions(table[schema.TARGET].to_pylist(), path), decoded_mib)


def file(data: Path, part: str) -> Path:
    """Where the rows of a part are.

    Raises:
        InputError: they are missing.
    """
    path = data / f"{part}.parquet"
    if not path.is_file():
        raise InputError(f"no prepared rows in {path}: run `pipeline prepare` first, or give --data its folder")
    return path


def _positions(labels: list[str], path: Path) -> npt.NDArray[np.int64]:
    position = {label: number for number, label in enumerate(schema.CLASSES)}
    unknown = sorted(set(labels) - set(position))
    if unknown:
        raise InputError(f"{path} has the label {unknown[0]!r}, not in schema.py: run `pipeline prepare` again")
    return np.array([position[label] for label in labels], np.int64)


def shuffled(length: int, size: int, seed: int, epoch: int, rank: int, world: int) -> Order:
    """One process's share of the batches of an epoch: of each batch of all processes every `world`-th picture.

    So a step learns from the same pictures whatever the number of processes. What is left over at the end when
    `length` is no multiple of `size` is another part in each epoch, and not used in this one.
    """
    order = np.random.default_rng((seed, epoch)).permutation(length)
    return [order[start : start + size][rank::world] for start in range(0, length - size + 1, size)]


def in_order(length: int, size: int, rank: int, world: int) -> Order:
    """One process's share of all pictures, in batches of at most `size`."""
    order = np.arange(rank, length, world)
    return [order[start : start + size] for start in range(0, len(order), size)]


def loaded(pictures: Pictures, order: Order, device: torch.device, processes: int) -> Iterator[Batch]:
    """The batches of `order` on a device.

    Args:
        pictures: to take them from.
        order: the positions of each batch.
        device: where the batches go.
        processes: that train on this machine, and share its cores.
    """
    pinned = device.type == "cuda"
    # sampler=order with batch_size=None: the loader asks `pictures` for whole batches.
    loader = DataLoader(
        pictures, batch_size=None, sampler=order, num_workers=_loaders(pictures, processes), pin_memory=pinned
    )
    for images, labels in loader:
        yield images.to(device, non_blocking=pinned), labels.to(device, non_blocking=pinned)


def _loaders(pictures: Pictures, processes: int) -> int:
    if pictures.decoded is not None:
        return 0
    return min(LOADERS, max(1, (os.cpu_count() or 1) // processes - 1))
