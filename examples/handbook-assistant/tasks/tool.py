"""Makes sure that a command line, which is no Python package, is there: found, or downloaded at its pinned version.

A download is checked by its SHA-256 and lands beside the running interpreter, so `uv run` finds it and nothing else
on the computer changes. Only CI machines are served (Linux on x86-64); elsewhere you are told where to get it.

Run: python tasks/tool.py NAME --help-url URL [--url DOWNLOAD --sha256 HEX]      (tasks platform-tools, infra-tools)
"""

from __future__ import annotations

import argparse
import hashlib
import io
import platform
import shutil
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

SECONDS = 120


def find(name: str, folder: Path) -> str | None:
    """Where a command is: on the path, or in a folder that need not be on it."""
    return shutil.which(name) or shutil.which(name, path=str(folder))


def install(name: str, url: str, sha256: str, folder: Path) -> Path:
    """Download an archive, check it, and put its member `name` into a folder as an executable.

    Raises:
        OSError: the download failed, or the archive can't be read.
        ValueError: the archive is not the one that was pinned, or holds no such member.
    """
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - the address is in tasks/*.toml
        archive = answer.read()
    found = hashlib.sha256(archive).hexdigest()
    if found != sha256:
        raise ValueError(f"{url} has the SHA-256 {found}, not the pinned {sha256}: nothing was installed")
    made = folder / f".{name}.part"
    made.write_bytes(member(archive, name))
    made.chmod(0o755)
    return made.replace(folder / name)


def member(archive: bytes, name: str) -> bytes:
    """The bytes of a file at the top of a zip or tar archive.

    Raises:
        ValueError: there is no such file.
    """
    try:
        if zipfile.is_zipfile(io.BytesIO(archive)):
            with zipfile.ZipFile(io.BytesIO(archive)) as packed:
                return packed.read(name)
        with tarfile.open(fileobj=io.BytesIO(archive)) as unpacked:
            stream = unpacked.extractfile(name)
            return stream.read() if stream else b""
    except KeyError as error:
        raise ValueError(f"the archive holds no {name}") from error
    except (zipfile.BadZipFile, tarfile.TarError) as error:
        raise ValueError(f"the archive cannot be read: {error}") from error


def main() -> None:
    """Find or install what the arguments name; exit code 2 with one line when neither works."""
    parser = argparse.ArgumentParser(description="Make sure that a command line is there.")
    parser.add_argument("name")
    parser.add_argument("--help-url", required=True, help="where a person finds out how to install it")
    parser.add_argument("--url", help="archive for Linux on x86-64")
    parser.add_argument("--sha256", help="of the archive")
    given = parser.parse_args()
    folder = Path(sys.executable).parent
    found = find(given.name, folder)
    if found:
        print(f"{given.name}: {found}")
        return
    served = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    if not (given.url and given.sha256 and served):
        sys.exit(_refuse(f"{given.name} is not installed: see {given.help_url}"))
    try:
        print(f"{given.name}: {install(given.name, given.url, given.sha256, folder)}")
    except (OSError, ValueError) as error:
        sys.exit(_refuse(f"{given.name} cannot be installed ({error}); do it by hand: {given.help_url}"))


def _refuse(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
