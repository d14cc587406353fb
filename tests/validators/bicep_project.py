"""What the Bicep of a project says, as plain values: resources, roles, outputs, parameters. Nothing is judged here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bicep_types import Json, accessors, body_of, parse

ENVIRONMENTS = {"dev": "dev", "staging": "stg", "prod": "prod"}
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"


@dataclass(frozen=True)
class Resource:
    """A resource that a file makes."""

    file: str
    name: str
    type: str
    body: Json


@dataclass(frozen=True)
class Assignment:
    """A role that a principal gets on a resource of the project, by the names that the files use."""

    scope: str
    principal: str
    role: str


def bicep_files(project: Path) -> list[Path]:
    """Every Bicep file; an empty list would make every rule about them true."""
    files = sorted((project / "infra").rglob("*.bicep"))
    assert files, "no Bicep file was rendered"
    return files


def resources(project: Path) -> list[Resource]:
    """Every resource that the project makes."""
    return [
        Resource(file.name, name, resource["type"], body_of(resource))
        for file in bicep_files(project)
        for name, resource in parse(file).get("resources", {}).items()
        if not resource["existing"]
    ]


def at(body: Any, path: str) -> Any:
    """The value at a dotted path, or None."""
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


def granting(project: Path) -> list[Path]:
    """The files that hold roles and give them: platform.bicep, and that of a project type which has more."""
    return [path for name in ("platform", "rag") if (path := project / f"infra/{name}.bicep").is_file()]


def roles(project: Path) -> dict[str, str]:
    """The roles that the project may assign, id by name."""
    declared: list[dict[str, str]] = [parse(file)["variables"]["roles"]["value"] for file in granting(project)]
    return {name: guid for given in declared for name, guid in given.items()}


def assignments(project: Path) -> list[Assignment]:
    """Who gets which role where, as the files of `granting` call the modules that end in `Roles`."""
    return sorted(_assignments(project), key=lambda found: (found.scope, found.principal, found.role))


def _assignments(project: Path) -> Iterator[Assignment]:
    modules = [item for file in granting(project) for item in parse(file)["modules"].items()]
    for name, module in modules:
        for entry in body_of(module)["params"].get("assignments", []):
            principal = next(accessors(entry["principalId"]), (entry["principalId"],))[0]
            yield Assignment(name.removesuffix("Roles"), principal, entry["role"]["operator"]["operands"]["operand_2"])


def outputs(project: Path) -> set[str]:
    """The outputs of the platform, which are those of the project."""
    return set(parse(project / "infra/platform.bicep")["outputs"])


def declared_parameters(project: Path) -> Json:
    """The parameters of main.bicep with type, default and decorators."""
    found: Json = parse(project / "infra/main.bicep")["parameters"]
    return found


def decorators(parameter: Json) -> dict[str, Any]:
    """What is said above a parameter: `allowed`, `min_value` and the like."""
    return {decorator["type"]: decorator.get("argument") for decorator in parameter["decorators"]}


def values(project: Path, environment: str) -> dict[str, Any]:
    """The parameter values of one environment."""
    text = (project / f"infra/{environment}.parameters.json").read_text("utf-8")
    return {name: entry["value"] for name, entry in json.loads(text)["parameters"].items()}
