"""What the Bicep of a project says, as plain values: resources, roles, outputs, parameters. Nothing is judged here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bicep_types import Json, accessors, body_of, parse, unwrapped

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
class Endpoint:
    """A private endpoint: its key, which ends its name, and the kind of service that it leads to, as zones.json calls it."""

    key: str
    group: str


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
    """The value at a dotted path, or None. A loop stands for each of its items."""
    for key in path.split("."):
        body = unwrapped(body.get(key)) if isinstance(body, dict) else None
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
            for principal in _principals(module, entry["principalId"]):
                yield Assignment(
                    name.removesuffix("Roles"), principal, entry["role"]["operator"]["operands"]["operand_2"]
                )


def _principals(module: Json, principal: Any) -> list[str]:
    """Whom an assignment names; where that is the item of a loop, the lists that are joined for the loop."""
    name = next(accessors(principal), (principal,))[0]
    loop = module["config"].get("loop_type", {}).get("detail", {})
    if name != loop.get("item_name"):
        return [name]
    joined = loop["array_name"]["function"]["parameters"].values()
    return [listed[0] if isinstance(listed, list) else listed for listed in joined]


def endpoints(project: Path) -> list[Endpoint]:
    """The private endpoints that the project can have, as the files call the module that makes them."""
    return [
        Endpoint(entry["key"], entry["group"])
        for file in granting(project)
        for module in parse(file).get("modules", {}).values()
        if module["detail"]["path"].endswith("/private-endpoints.bicep")
        for entry in body_of(module)["params"]["endpoints"]
    ]


def zones_of(project: Path) -> dict[str, list[str]]:
    """The zones that hold the names of each kind of private endpoint."""
    known: dict[str, list[str]] = json.loads((project / "infra/modules/zones.json").read_text("utf-8"))
    return known


def zones(project: Path) -> set[str]:
    """The zones that the project makes when it keeps the names itself."""
    made = body_of(parse(project / "infra/main.bicep")["modules"]["privateZones"])["params"]["zones"]
    kinds = {parts[1] for parts in accessors(made) if parts[0] == "zones" and len(parts) > 1}
    return {zone for kind in kinds for zone in zones_of(project)[kind]}


def subnets(project: Path) -> dict[str, Json]:
    """The subnets of the private network by name, as network.bicep lists them."""
    listed = parse(project / "infra/modules/network.bicep")["variables"]["subnets"]["value"]
    return {subnet["name"]: subnet for subnet in listed}


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
