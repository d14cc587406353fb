"""What docs/resources.md of a project claims and a test can compare with its infrastructure, whatever its language."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from azure_roles import ROLES

PAGE = "docs/resources.md"
# What a project type has besides, where it has anything.
MORE = "docs/services.md"
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RECORDER = """#!/bin/sh
{ printf '%s' "${0##*/}"; printf '\\037%s' "$@"; printf '\\036'; } >> "$CALLS"
case "$*" in
  "account show"*) echo s ;;
  "group show"*) echo /subscriptions/s/resourceGroups/rg ;;
  "role definition list"*) echo "$KNOWN_ROLES" ;;
esac
"""


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


def grantable(project: Path) -> set[str]:
    """The ids of the roles that the deployer may assign; none when the condition is not as it must be."""
    text = read(project)
    listed = re.search(r'^GRANTABLE="(.+)"$', text, re.MULTILINE)
    if not listed or "--condition-version 2.0" not in text or text.count("GuidEquals {$GRANTABLE}") != 2:
        return set()
    return set(GUID.findall(listed[1]))


def role_script(project: Path) -> str:
    """The script that gives CI's identities their rights, with its blanks filled in."""
    [script] = re.findall(r"^```bash\n(set -euo pipefail.+?)^```", read(project), re.S | re.M)
    return re.sub(r"^(\w+)=<[^\n]+>$", r"\1=my-\1", script, flags=re.MULTILINE)


def run_role_script(project: Path, known_roles: str = "") -> list[list[str]]:
    """Run the script of the page; az and sleep only write down how they were called. Returns the calls.

    `known_roles` is what az answers when it is asked for a role of the project's own: nothing on the first run.
    """
    for command in ("az", "sleep"):
        (project / "bin").mkdir(exist_ok=True)
        (project / "bin" / command).write_text(RECORDER, "utf-8")
        (project / "bin" / command).chmod(0o755)
    calls = project / "calls"
    calls.unlink(missing_ok=True)
    environment = {"PATH": f"{project / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls), "KNOWN_ROLES": known_roles}
    subprocess.run(["bash", "-c", role_script(project)], env=environment, check=True, capture_output=True, timeout=60)
    return [call.split("\037") for call in calls.read_text("utf-8").split("\036") if call]


def option(call: list[str], name: str) -> str:
    """The value of an option in a call, or nothing."""
    return call[call.index(name) + 1] if name in call else ""


def granted(project: Path) -> dict[tuple[str, str, str], str]:
    """What the script grants: the condition by principal, role and scope, with built-in roles by name."""
    return {
        (option(call, "--assignee-object-id"), ROLES.get(role := option(call, "--role"), role), option(call, "--scope")):
        option(call, "--condition")
        for call in run_role_script(project)
        if call[:4] == ["az", "role", "assignment", "create"]
    }  # fmt: skip
