"""Command lines of the tasks: found where they are, installed only when the download is the pinned one."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "tasks/tool.py"
# `--sha256` of nothing that exists.
WRONG = "0" * 64


def zipped(name: str) -> bytes:
    """A zip archive with one executable."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, "#!/bin/sh\necho it runs\n")
    return stream.getvalue()


def tarred(name: str) -> bytes:
    """A compressed tar archive with one executable."""
    stream, content = io.BytesIO(), b"#!/bin/sh\necho it runs\n"
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def interpreter(tmp_path: Path) -> Path:
    """An interpreter in a folder of its own, since tools are installed beside the one that runs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    link = folder / "python"
    link.symlink_to(sys.executable)
    return link


def call(interpreter: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script with nothing on the path."""
    environment = {**os.environ, "PATH": str(interpreter.parents[1] / "nothing")}
    command = [str(interpreter), "-S", str(SCRIPT), *arguments, "--help-url", "https://example.com/install"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.skipif(sys.platform != "linux", reason="downloads serve CI machines, which run Linux")
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_pinned_download_is_installed_once(interpreter: Path, tmp_path: Path, pack: Callable[[str], bytes]) -> None:
    """The archive with the pinned hash becomes an executable beside the interpreter, and is then found."""
    archive = tmp_path / "archive"
    archive.write_bytes(pack("sometool"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    for url in (archive.as_uri(), "https://example.invalid/"):
        done = call(interpreter, "sometool", "--url", url, "--sha256", digest)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == f"sometool: {interpreter.parent / 'sometool'}"
    assert subprocess.run([interpreter.parent / "sometool"], capture_output=True, text=True).stdout == "it runs\n"


@pytest.mark.skipif(sys.platform != "linux", reason="downloads serve CI machines, which run Linux")
@pytest.mark.parametrize(("name", "digest"), [("sometool", WRONG), ("othertool", "")])
def test_another_download_installs_nothing(interpreter: Path, tmp_path: Path, name: str, digest: str) -> None:
    """A changed archive, or one without the tool, is one line, exit code 2 and nothing installed."""
    archive = tmp_path / "archive"
    archive.write_bytes(zipped("sometool"))
    pinned = digest or hashlib.sha256(archive.read_bytes()).hexdigest()
    done = call(interpreter, name, "--url", archive.as_uri(), "--sha256", pinned)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in interpreter.parent.iterdir()] == ["python"]


def test_a_tool_that_is_only_looked_for_says_where_to_get_it(interpreter: Path) -> None:
    """Without a download the user is told where to find out how to install it."""
    done = call(interpreter, "sometool")
    assert done.returncode == 2
    assert done.stderr == "error: sometool is not installed: see https://example.com/install\n"
