"""The task `infra-drift` of a project in Bicep, with a stand-in of the Azure CLI that answers as what-if is documented to.

Kinds of change, of a resource and of a property, and the shape of the answer are those of the resource provider
Microsoft.Resources. What the answers hold is what what-if is known to report of resources like ours.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Matrix

Json = dict[str, Any]
GROUP = "/subscriptions/s/resourceGroups/rg/providers/"
STORAGE = "Microsoft.Storage/storageAccounts/stplum"
# Prints the answer that lies beside it, and writes down how it was called.
AZ = """#!/bin/sh
printf '%s\\n' "$@" > called
cat answer
exit "${CODE:-0}"
"""


@pytest.fixture
def project(matrix: Matrix, tmp_path: Path) -> Path:
    """The tasks and parameter files of a project in Bicep, with a stand-in of the Azure CLI."""
    made = next(path for name, path in matrix.projects.items() if matrix.answers[name]["iac"] == "bicep")
    for name in ("infra", "tasks"):
        shutil.copytree(made / name, tmp_path / name)
    (tmp_path / "pyproject.toml").write_text('[tool.poe]\ninclude = ["tasks/infra.toml"]\n', "utf-8")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/az").write_text(AZ, "utf-8")
    (tmp_path / "bin/az").chmod(0o755)
    (tmp_path / "bin/python").symlink_to(sys.executable)
    return tmp_path


def drift(project: Path, answer: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the task; the Azure CLI gives this answer."""
    (project / "answer").write_text(answer if isinstance(answer, str) else json.dumps(answer), "utf-8")
    command = [sys.executable, "-m", "poethepoet", "-q", "-C", str(project), "-e", "simple", "infra-drift"]
    path = os.pathsep.join([str(project / "bin"), os.environ["PATH"]])
    known = {"PATH": path, "AZURE_RESOURCE_GROUP": "rg", "ENVIRONMENT": "prod", **environment}
    return subprocess.run(command, capture_output=True, text=True, env=known, timeout=60)


def answer(*changes: Json, **more: object) -> Json:
    """An answer of what-if, as the Azure CLI prints it."""
    return {"changes": list(changes), "error": None, "status": "Succeeded", **more}


def change(kind: str, *delta: Json, name: str = STORAGE) -> Json:
    """A change of a resource."""
    return {"changeType": kind, "resourceId": GROUP + name, "delta": list(delta) or None, "unsupportedReason": None}


def part(path: str, kind: str, before: object = None, after: object = None, *children: Json) -> Json:
    """A change of a property."""
    return {
        "path": path,
        "propertyChangeType": kind,
        "before": before,
        "after": after,
        "children": list(children) or None,
    }


# What is no drift: what-if tells it of an environment that nobody has touched.
QUIET = {
    "the same": change("NoChange"),
    "beside the files": change("Ignore"),
    "not worked out": change("Unsupported"),
    "a default of Azure": change("Modify", part("properties.accessTier", "Delete", "Hot")),
    "defaults inside": change(
        "Modify", part("properties", "Modify", None, None, part("encryption", "Delete", {"keySource": "Storage"}))
    ),
    "an expression": change(
        "Modify", part("properties.appInsights", "Modify", "/subscriptions/s/x", "[reference('x').outputs.id.value]")
    ),
    "an expression in an object": change(
        "Modify", part("properties.identity", "Create", None, {"id": "[resourceId('a', 'b')]"})
    ),
    "read only": change("Modify", part("properties.state", "NoEffect", "Active", "Idle")),
    "the case of an id": change("Modify", part("properties.vault", "Modify", f"{GROUP}a/b", f"{GROUP}A/b")),
}
# What is, with what is told of it.
LOUD = {
    "a changed setting": (
        change("Modify", part("properties.minimumTlsVersion", "Modify", "TLS1_0", "TLS1_2")),
        'properties.minimumTlsVersion: "TLS1_0" is deployed, the files say "TLS1_2"',
    ),
    "a setting that was never deployed": (
        change("Modify", part("properties.isHnsEnabled", "Create", None, True)),
        "properties.isHnsEnabled: null is deployed, the files say true",
    ),
    "an address let in by hand": (
        change("Modify", part("properties.ipRules", "Array", None, None, part("0", "Delete", {"value": "1.2.3.4"}))),
        'properties.ipRules.0: {"value": "1.2.3.4"} is deployed, the files say null',
    ),
    "a tag by hand": (change("Modify", part("tags.owner", "Delete", "me")), 'tags.owner: "me" is deployed'),
    "a list that looks like an expression": (
        change("Modify", part("properties.note", "Modify", "a", "[b]")),
        'the files say "[b]"',
    ),
    "a resource that is gone": (change("Create"), f"Create {STORAGE}"),
    "a resource that would go": (change("Delete"), f"Delete {STORAGE}"),
    "a resource that what-if cannot tell of": (change("Deploy"), f"Deploy {STORAGE}"),
}


@pytest.mark.parametrize("what", QUIET)
def test_what_nobody_changed_is_no_drift(project: Path, what: str) -> None:
    """Exit code 0, and nothing is called different."""
    done = drift(project, answer(QUIET[what]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0] == "Resources that are not as the files say: 0"


@pytest.mark.parametrize("what", LOUD)
def test_what_somebody_changed_is_drift(project: Path, what: str) -> None:
    """Exit code 3, and what differs on standard output, also among much that does not."""
    found, told = LOUD[what]
    done = drift(project, answer(*QUIET.values(), found))
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines()[0] == "Resources that are not as the files say: 1"
    assert told in done.stdout and STORAGE in done.stdout


def test_what_was_not_looked_at_is_told(project: Path) -> None:
    """Counts of what was left out, and what what-if says of itself: no drift is not the same as all is well."""
    said = [{"level": "Warning", "code": "NestedDeploymentShortCircuited", "message": "platform was\nskipped"}]
    done = drift(project, answer(*QUIET.values(), change("Ignore", name="a/b"), diagnostics=said))
    assert done.stdout.splitlines()[1:] == [
        "",
        "No drift:",
        "  2 beside the files: in the group, and not made by them",
        "  1 not judged: what-if cannot work out what they are",
        "  6 with defaults of Azure or values that only a deployment works out",
        "  what-if: platform was skipped",
    ]


def test_the_question_is_that_of_the_plan(project: Path) -> None:
    """The same files and the same rights as `infra-plan`, and an answer for programs."""
    assert drift(project, answer()).returncode == 0
    called = (project / "called").read_text("utf-8").split()
    assert called[:3] == ["deployment", "group", "what-if"]
    assert called[-3:] == ["--no-pretty-print", "--output", "json"]
    plan = (project / "tasks/infra.toml").read_text("utf-8").partition("az deployment group what-if")[2]
    asked = plan.partition('"""')[0].replace("${ENVIRONMENT:-dev}", "prod").replace("${AZURE_RESOURCE_GROUP}", "rg")
    assert called[3:-3] == asked.split()


def test_an_answer_inside_properties_is_read_too(project: Path) -> None:
    """The service itself wraps the changes; the Azure CLI takes them out."""
    assert drift(project, {"status": "Succeeded", "properties": answer(change("Create"))}).returncode == 3


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("no JSON", "printed no JSON object"),
        ("[]", "printed no JSON object"),
        (answer({"changeType": "Vanish", "resourceId": "a"}), "changes that this script does not: ['Vanish']"),
        (answer(change("Modify", {"path": "a"})), "in a form that this script does not know"),
        ({"changes": ["Create"]}, "in a form that this script does not know"),
    ],
)
def test_an_answer_that_cannot_be_judged_is_an_error(project: Path, given: object, told: str) -> None:
    """Exit code 2 and one line: neither drift nor its absence is guessed."""
    done = drift(project, given)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert told in line and "Traceback" not in done.stderr


def test_a_failure_of_azure_is_an_error(project: Path) -> None:
    """Whatever the Azure CLI exits with, 3 included, is no answer."""
    done = drift(project, answer(change("Create")), CODE="3")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: az deployment group what-if failed, see above" in done.stderr
