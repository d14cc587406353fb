"""Checkpoints: whole or none, and only for the training that they are of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from digit_reader import checkpoint
from digit_reader.parameters import Train

STATE = {"weights": torch.arange(3.0), "history": [{"epoch": 1.0}]}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """The state comes back for the fingerprint that it was written for; the last one written counts."""
    checkpoint.write(tmp_path / "c", "mark", {"history": []})
    checkpoint.write(tmp_path / "c", "mark", STATE)
    found = checkpoint.read(tmp_path / "c", "mark")
    assert found is not None
    assert torch.equal(found["weights"], STATE["weights"])
    assert [path.name for path in (tmp_path / "c").iterdir()] == [checkpoint.FILE]


def test_a_foreign_checkpoint_is_ignored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of other settings, rows or code is left where it is, and a line says so."""
    checkpoint.write(tmp_path, "theirs", STATE)
    assert checkpoint.read(tmp_path, "ours") is None
    assert "of other settings, rows or code" in capsys.readouterr().out


@pytest.mark.parametrize("length", [0, 100, -100])
def test_a_damaged_checkpoint_is_ignored(length: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is cut off costs the work so far, and no more."""
    checkpoint.write(tmp_path, "mark", STATE)
    path = tmp_path / checkpoint.FILE
    path.write_bytes(path.read_bytes()[:length])
    assert checkpoint.read(tmp_path, "mark") is None
    assert "damaged" in capsys.readouterr().out


def test_a_checkpoint_runs_no_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A forged file that would call a function when it is read counts as damaged."""

    class Forged:
        def __reduce__(self) -> tuple[object, ...]:
            return (tmp_path.joinpath("called").touch, ())

    torch.save({"fingerprint": "mark", "weights": Forged()}, tmp_path / checkpoint.FILE)
    assert checkpoint.read(tmp_path, "mark") is None
    assert not (tmp_path / "called").exists()


def test_the_fingerprint_is_of_all_that_matters(tmp_path: Path) -> None:
    """Other settings or rows give another one; where and how often checkpoints are written does not."""
    for part in ("train", "validation"):
        (tmp_path / f"{part}.parquet").write_text(part)
    mark = checkpoint.fingerprint(Train(), tmp_path)
    assert checkpoint.fingerprint(Train(checkpoint=Path("elsewhere"), checkpoint_every=5), tmp_path) == mark
    assert checkpoint.fingerprint(Train(seed=1), tmp_path) != mark
    (tmp_path / "validation.parquet").write_text("other rows")
    assert checkpoint.fingerprint(Train(), tmp_path) != mark


def test_only_the_own_files_are_removed(tmp_path: Path) -> None:
    """What a killed process left half-written goes as well; files of others stay, and so does their folder."""
    ours, shared = tmp_path / "ours", tmp_path / "shared"
    for folder in (ours, shared):
        checkpoint.write(folder, "mark", STATE)
        (folder / ".writing-x").mkdir()
    (shared / "notes.txt").touch()
    for folder in (ours, shared, tmp_path / "absent"):
        checkpoint.remove(folder)
    assert not ours.exists()
    assert [path.name for path in shared.iterdir()] == ["notes.txt"]
