"""Batches: the same pictures a step, whatever the number of processes, and the same values however they are decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from digit_reader import batches, schema, transforms
from digit_reader.errors import InputError

CPU = torch.device("cpu")


def test_processes_share_a_batch() -> None:
    """Two processes together take in each step what one takes alone, and no picture twice in an epoch."""
    alone = batches.shuffled(100, 16, seed=3, epoch=1, rank=0, world=1)
    first, second = (batches.shuffled(100, 16, seed=3, epoch=1, rank=rank, world=2) for rank in range(2))
    assert [len(batch) for batch in alone] == [16] * 6
    for whole, one, other in zip(alone, first, second, strict=True):
        assert len(one) == len(other)
        assert set(whole) == set(one) | set(other)
    assert len(np.unique(np.concatenate(alone))) == 96


def test_each_epoch_has_an_order_of_its_own() -> None:
    """The order follows from seed and epoch."""
    one, again, other, seeded = (
        np.concatenate(batches.shuffled(64, 16, seed, epoch, rank=0, world=1)).tolist()
        for seed, epoch in [(0, 1), (0, 1), (0, 2), (1, 1)]
    )
    assert one == again
    assert other != one != seeded


def test_validation_pictures_are_shared_without_rest() -> None:
    """Each picture is in one process's share."""
    shares = [np.concatenate(batches.in_order(101, 8, rank, world=3)) for rank in range(3)]
    assert sorted(np.concatenate(shares)) == list(range(101))


def test_decoding_early_or_late_makes_no_difference(made: Path) -> None:
    """Decoded at the start, or by loader processes in each epoch: the same values and labels in the same order."""
    early, late = (batches.read(made / "outputs/data", "validation", limit) for limit in (1024, 0))
    assert early.decoded is not None
    assert late.decoded is None
    order = batches.shuffled(len(early), 64, seed=0, epoch=0, rank=0, world=1)
    pairs = zip(*(batches.loaded(pictures, order, CPU, 1) for pictures in (early, late)), strict=True)
    for (images, labels), (same_images, same_labels) in pairs:
        assert torch.equal(images, same_images)
        assert torch.equal(labels, same_labels)


def test_a_batch_is_what_the_model_is_asked_with(made: Path) -> None:
    """Training and serving see the same numbers of a picture."""
    pictures = batches.read(made / "outputs/data", "validation", decoded_mib=1024)
    images, labels = pictures[np.arange(3)]
    contents = [content.as_py() for content in pictures.contents[:3]]
    assert np.array_equal(images.numpy(), transforms.batch(contents))
    assert labels.max() < len(schema.CLASSES)


def test_a_label_that_is_no_longer_known_is_refused(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were prepared for other classes have to be prepared again."""
    monkeypatch.setattr(schema, "CLASSES", schema.CLASSES[:-1])
    with pytest.raises(InputError, match=r"has the label '9', not in schema\.py: run `pipeline prepare` again"):
        batches.read(Path("outputs/data"), "train", 0)


def test_absent_and_damaged_rows_are_refused(tmp_path: Path) -> None:
    """The message names the file and the step that writes it."""
    with pytest.raises(InputError, match=r"train\.parquet: run `pipeline prepare` first"):
        batches.read(tmp_path, "train", 0)
    (tmp_path / "train.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"cannot read .*train\.parquet"):
        batches.read(tmp_path, "train", 0)
