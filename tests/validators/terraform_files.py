"""The Terraform files of a project, read without Terraform and without a provider."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

Json = dict[str, Any]

# Text loses its quotes; what is not a literal stays marked: `var.name` reads as "${var.name}".
OPTIONS = hcl2.SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)


@dataclass(frozen=True)
class Resource:
    """A resource block of a file."""

    file: str
    type: str
    name: str
    body: Json


@cache
def parse(path: Path, content: str) -> Json:
    """The blocks of one file. `content` is its text: a test that changes the file does not get the old blocks."""
    try:
        found: Json = hcl2.loads(content, serialization_options=OPTIONS)
    except Exception as error:
        raise ValueError(f"{path}: {error}") from error
    return found


def files(folder: Path) -> list[Path]:
    """Every Terraform file of a project, its modules' too. An empty list would make each rule about them true."""
    found = sorted(path for path in (folder / "infra").rglob("*.tf") if ".terraform" not in path.parts)
    if not found:
        raise FileNotFoundError(f"no Terraform file below {folder / 'infra'}")
    return found


def blocks(folder: Path, kind: str) -> list[tuple[str, Json]]:
    """The blocks of a kind such as `output`, each with the file that it stands in."""
    return [
        (path.relative_to(folder / "infra").as_posix(), block)
        for path in files(folder)
        for block in parse(path, path.read_text("utf-8")).get(kind, [])
    ]


def made(folder: Path) -> list[Resource]:
    """Every resource block."""
    return [
        Resource(file, kind, name, body)
        for file, block in blocks(folder, "resource")
        for kind, named in block.items()
        for name, body in named.items()
    ]


def resources(folder: Path) -> Counter[str]:
    """How many blocks of each resource type a project's `infra/` holds, such as {"azurerm_storage_account": 1}."""
    return Counter(resource.type for resource in made(folder))


def outputs(folder: Path) -> set[str]:
    """The names of a project's outputs, without those that a module gives to the files above it."""
    return {name for file, block in blocks(folder, "output") for name in block if "/" not in file}
