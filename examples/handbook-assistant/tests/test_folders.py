"""Output folders: all or nothing, and nothing of others is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from handbook_assistant.errors import InputError
from handbook_assistant.folders import read_json, write_json, writing


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def write_half(folder: Path) -> None:
    """Write a file and fail."""
    with writing(folder) as aside:
        (aside / "x.txt").write_text("half")
        raise ValueError("stop")


def test_content_appears_when_all_is_written(tmp_path: Path) -> None:
    """Until the block ends the folder holds nothing under its final name."""
    with writing(tmp_path / "a/b") as folder:
        (folder / "x.txt").write_text("new")
        assert not (tmp_path / "a/b/x.txt").exists()
    assert names(tmp_path / "a/b") == ["x.txt"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """A block that fails removes what it wrote and the folders that were made for it."""
    with pytest.raises(ValueError, match="stop"):
        write_half(tmp_path / "a/b")
    assert names(tmp_path) == []


def test_a_failure_keeps_what_was_there(tmp_path: Path) -> None:
    """The result of the last good run survives a failed one."""
    (tmp_path / "x.txt").write_text("old")
    with pytest.raises(ValueError, match="stop"):
        write_half(tmp_path)
    assert (tmp_path / "x.txt").read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


def test_files_and_folders_are_replaced_and_others_kept(tmp_path: Path) -> None:
    """An entry of the same name is replaced as a whole; one of another name is not ours to delete."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/old.py").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    with writing(tmp_path) as folder:
        (folder / "code").mkdir()
        (folder / "code/new.py").write_text("new")
    assert names(tmp_path) == ["code", "notes.txt"]
    assert names(tmp_path / "code") == ["new.py"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """The message names the folder, and no part of its path is left behind."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/deep"), writing(tmp_path / "file/deep"):
        pass
    assert names(tmp_path) == ["file"]


def test_json_knows_no_not_a_number(tmp_path: Path) -> None:
    """Values that JSON cannot hold become null, so that every reader can read the file."""
    write_json(tmp_path / "x.json", {"a": [float("nan"), float("inf"), 1.5], "b": True})
    assert read_json(tmp_path / "x.json") == {"a": [None, None, 1.5], "b": True}
