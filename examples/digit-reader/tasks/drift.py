"""Asks Azure what a deployment would change (what-if) and says whether what is deployed has drifted from the files.

What-if reports more than that: what lies in the group beside the files, defaults that Azure filled in, and expressions
that it cannot work out. Such things are counted at the end, so that nobody takes them for looked at, and are no drift.

Run: python tasks/drift.py ARGUMENTS, those of `az deployment group what-if`      (task infra-drift)
Exit code 0: no drift; 3: drift, told on standard output; 2: Azure gave no answer that can be judged.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

DRIFT = 3
WIDTH = 80
# Of a resource. `Deploy` is what what-if says when it cannot tell: better looked at once too often.
CHANGED = {"Create", "Delete", "Modify", "Deploy"}
LEFT_OUT = {
    "Ignore": "beside the files: in the group, and not made by them",
    "Unsupported": "not judged: what-if cannot work out what they are",
}
UNCHANGED = "NoChange"

Json = dict[str, Any]


class DriftError(Exception):
    """There is no answer that can be judged; the text is one line."""


def what_if(arguments: list[str]) -> Json:
    """The answer of what-if.

    Raises:
        DriftError: the Azure CLI is not there, fails, or prints something else.
    """
    command = ["az", "deployment", "group", "what-if", *arguments, "--no-pretty-print", "--output", "json"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    except FileNotFoundError as error:
        raise DriftError("az is not installed: uv run poe infra-tools") from error
    if done.returncode:
        raise DriftError("az deployment group what-if failed, see above")
    try:
        answer = json.loads(done.stdout)
        found: Json = answer.get("properties") or answer
    except (ValueError, AttributeError) as error:
        raise DriftError("az deployment group what-if printed no JSON object") from error
    return found


def differences(changes: list[Json], prefix: str = "", *, in_list: bool = False) -> Iterator[tuple[str, Json]]:
    """The properties that differ, with their paths; what is no drift is left out."""
    for change in changes:
        path = f"{prefix}.{change['path']}" if prefix else str(change["path"])
        if children := change.get("children"):
            yield from differences(children, path, in_list=change["propertyChangeType"] == "Array")
        elif differs(change, path, in_list=in_list):
            yield path, change


def differs(change: Json, path: str, *, in_list: bool) -> bool:
    """Whether a property without parts differs.

    A property that the files do not name has its default in Azure, which what-if calls deleted. A tag has no default,
    nor has an entry of a list that the files name: somebody added it.
    """
    before, after = change.get("before"), change.get("after")
    if change["propertyChangeType"] == "NoEffect" or is_open(after):
        return False
    if change["propertyChangeType"] == "Delete":
        return in_list or path.split(".")[0] == "tags"
    # Azure does not keep the case of ids.
    return not (isinstance(before, str) and before.startswith("/") and before.lower() == str(after).lower())


def is_open(value: object) -> bool:
    """Whether a value is an expression that only a deployment works out, such as `[reference(…)]`, or holds one."""
    if isinstance(value, dict):
        return any(map(is_open, value.values()))
    if isinstance(value, list):
        return any(map(is_open, value))
    return isinstance(value, str) and value.startswith("[") and value.endswith("]") and "(" in value


def name(change: Json) -> str:
    """Type and name of a resource: what its id says after the group."""
    return str(change["resourceId"]).partition("/providers/")[2] or str(change["resourceId"])


def shown(value: object) -> str:
    """A value on one line, and not too long a one."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"


def judged(change: Json) -> list[str]:
    """What to tell of a changed resource, a line each; nothing when it is no drift."""
    kind = change["changeType"]
    if kind != "Modify":
        return [f"{kind} {name(change)}"]
    lines = [
        f"  {path}: {shown(one.get('before'))} is deployed, the files say {shown(one.get('after'))}"
        for path, one in differences(change.get("delta") or [])
    ]
    return [f"{kind} {name(change)}", *lines] if lines else []


def notes(found: Json) -> list[str]:
    """What was not looked at or left out, a line each."""
    changes = found.get("changes") or []
    kinds = Counter(change["changeType"] for change in changes)
    told = [f"{kinds[kind]} {text}" for kind, text in LEFT_OUT.items() if kinds[kind]]
    if quiet := sum(change["changeType"] == "Modify" and not judged(change) for change in changes):
        told.append(f"{quiet} with defaults of Azure or values that only a deployment works out")
    return told + [f"what-if: {' '.join(str(one.get('message')).split())}" for one in found.get("diagnostics") or []]


def report(found: Json) -> tuple[list[str], bool]:
    """What to print, and whether there is drift.

    Raises:
        DriftError: the answer has another form than the documented one.
    """
    try:
        changes = found.get("changes") or []
        unknown = {change["changeType"] for change in changes} - CHANGED - LEFT_OUT.keys() - {UNCHANGED}
        drifted = [lines for change in changes if change["changeType"] in CHANGED and (lines := judged(change))]
        told = notes(found)
    except (AttributeError, KeyError, TypeError) as error:
        raise DriftError(f"what-if answered in a form that this script does not know: {error!r}") from error
    if unknown:
        raise DriftError(f"what-if knows changes that this script does not: {sorted(map(str, unknown))}")
    printed = [f"Resources that are not as the files say: {len(drifted)}"]
    for lines in drifted:
        printed += ["", *lines]
    if told:
        printed += ["", "No drift:", *(f"  {line}" for line in told)]
    return printed, bool(drifted)


def main() -> None:
    """Judge; exit code 2 with one line when that is not possible."""
    try:
        printed, is_drift = report(what_if(sys.argv[1:]))
    except DriftError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(*printed, sep="\n")
    sys.exit(DRIFT if is_drift else 0)


if __name__ == "__main__":
    main()
