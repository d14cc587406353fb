"""What docs/resources.md of a project claims and a test can compare with its infrastructure, whatever its language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

PAGE = "docs/resources.md"
# What a project type has besides, where it has anything.
MORE = "docs/services.md"
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def read(project: Path) -> str:
    """The page."""
    return (project / PAGE).read_text("utf-8")


def section(text: str, word: str) -> str:
    """What stands under the heading that holds a word. Raises LookupError when no heading or several do."""
    parts = re.split(r"^(#+ .*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), flags=re.MULTILINE)
    found = [body for heading, body in zip(parts[1::2], parts[2::2], strict=True) if word in heading]
    if len(found) != 1:
        raise LookupError(f"{PAGE} has {len(found)} headings with {word!r}")
    return found[0]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each table row, without heads and rules."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if not {line[1:2], after[1:2]} & {"-"}:
            yield [cell.strip() for cell in line.strip("|").split("|")]


def checkov_rules(project: Path, language: str) -> set[str]:
    """The rules of checkov that do not hold: all without a mark, and those marked `(Bicep)` or `(Terraform)`."""
    pages = [read(project)] + ([(project / MORE).read_text("utf-8")] if (project / MORE).is_file() else [])
    cells = [row[0] for text in pages for row in rows(section(text, "checkov"))]
    rules = [found for cell in cells for found in re.findall(r"(CKV2?_AZURE_\d+)(?: \((\w+)\))?", cell)]
    assert rules, f"{PAGE} lists no rule of checkov"
    return {rule for rule, mark in rules if mark in {"", language}}


def words(text: str) -> str:
    """A name without spaces and case: 'AzureML Data Scientist' and azureMLDataScientist are one."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def parameters(project: Path) -> set[str]:
    """The parameters that the page explains, as `words`."""
    found = [name for row in rows(section(read(project), "Parameters")) for name in row[0].split(",")]
    assert len(found) == len(set(found)), f"{PAGE} explains a parameter twice"
    return {words(name) for name in found}
