"""Finds in Bicep files what the Bicep compiler would find, without the compiler.

The compiler comes from GitHub only. Two parsers and Microsoft's own type definitions come from PyPI and npm:

- `pycep` gives the tree that checkov reads. It does not tell the text 'Disabled' from an identifier of that name, and
  it wraps the body of a conditional or looped resource, so a naive walk of such a resource checks nothing.
- `tree-sitter-bicep` does tell them apart, and says which names a file declares and uses.
- `azmcp` (npm's @azure/mcp) gives the properties of a resource type, of its newest API version only: other versions are
  findings here, so that every check is exact. It lacks a few types (`NO_DEFINITION`), whose resources go unchecked.

Every `check_*` returns its findings as one line each, `where: what`; an empty list is a clean file.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import filelock
import tree_sitter
import tree_sitter_bicep
from pycep import BicepParser

Json = dict[str, Any]

# Exist in Azure and are missing from azmcp 2.0.5.
NO_DEFINITION = frozenset(
    {
        "Microsoft.Authorization/locks",
        "Microsoft.Insights/diagnosticSettings",
        "Microsoft.Network/privateDnsZones",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    }
)
# Bicep's own keys of a resource.
LANGUAGE = frozenset({"parent", "scope", "dependsOn"})
# Written in the type string, not by the author.
IMPLIED = frozenset({"apiVersion", "type"})
EXPRESSIONS = ({"function"}, {"operator"}, {"conditional"})
SCALARS: Mapping[str, type[Any] | tuple[type[Any], ...]] = {
    "string": str, "int": int, "bool": bool, "array": list, "object": dict,
}  # fmt: skip


class UnparsableError(Exception):
    """The file that pycep refuses, and where."""


@dataclass(frozen=True)
class Scope:
    """The names that a file declares; parameters with their type, all others with None."""

    names: Mapping[str, str | None]

    def type_of(self, value: str) -> str | None:
        """The declared type of a parameter, 'string' for a text, None where it cannot be known."""
        return self.names.get(value, "string")


@cache
def _parser() -> BicepParser:
    return BicepParser()  # reads its grammar, which takes as long as parsing a file


@cache
def _tree(text: str) -> Json:
    return cast(Json, _parser().parse(text=text))


def parse(file: Path) -> Json:
    """The tree of a Bicep file as pycep sees it, which is not to be changed. Raises UnparsableError."""
    try:
        return _tree(file.read_text(encoding="utf-8"))
    except Exception as error:  # lark's errors share no base class that it exports
        raise UnparsableError(f"{file.name}: pycep refuses it: {str(error).splitlines()[0]}") from error


def is_object(value: Any) -> bool:
    """True for an object that was written down, False for pycep's way of writing an expression."""
    return isinstance(value, dict) and set(value) not in EXPRESSIONS


def unwrapped(value: Any) -> Any:
    """A value out of the wrappers that a condition and a loop put around it."""
    while is_object(value) and "config" in value and value.keys() & {"condition", "loop_type"}:
        value = value["config"]
    return value


def body_of(declaration: Json) -> Json:
    """The body of a resource or module, whatever condition and loop it stands in."""
    body = unwrapped(declaration["config"])
    return body if is_object(body) else {}


def scope_of(tree: Json) -> Scope:
    """Every name that the values of a file may refer to."""
    names: dict[str, str | None] = {name: p["type"] for name, p in tree.get("parameters", {}).items()}
    for kind in ("variables", "resources", "modules"):
        names |= dict.fromkeys(tree.get(kind, {}))
    return Scope(names)


# Syntax and names


def _nodes(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode()


def _is_declared_here(node: tree_sitter.Node) -> bool:
    parent = node.parent
    if parent is None:
        return False
    if parent.type == "for_statement":
        return parent.child_by_field_name("initializer") == node
    return parent.type.endswith("_declaration") and parent.named_children[0] == node


def _is_reference(node: tree_sitter.Node) -> bool:
    parent = node.parent
    if parent is None or _is_declared_here(node):
        return False
    if parent.type == "object_property" and parent.named_children[0] == node:
        return False
    return parent.type != "call_expression" or parent.child_by_field_name("function") != node


def check_names(file: Path) -> list[str]:
    """What tree-sitter cannot read, names that nothing declares, parameters and variables that nothing uses."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
    root = parser.parse(file.read_bytes()).root_node
    if root.has_error:
        return [f"{file.name}: tree-sitter refuses it"]
    identifiers = [node for node in _nodes(root) if node.type == "identifier"]
    declared = {_text(node): node for node in identifiers if _is_declared_here(node)}
    # `for (item, index) in`: no identifiers to this parser.
    declared |= {_text(node): node for node in _nodes(root) if node.type in {"loop_variable", "loop_enumerator"}}
    used = {_text(node) for node in identifiers if _is_reference(node)}
    unknown = [f"{file.name}: nothing declares {name}" for name in sorted(used - declared.keys())]
    return unknown + [
        f"{file.name}: {name} is never used"
        for name, node in declared.items()
        if name not in used and node.parent and node.parent.type in {"parameter_declaration", "variable_declaration"}
    ]


# Resource types


@dataclass(frozen=True)
class Types:
    """Azure's resource types, asked of azmcp once and kept in a folder: an answer takes seconds.

    The folder may be shared by several processes and belongs to one version of azmcp.
    """

    azmcp: str
    folder: Path

    def of(self, resource_type: str) -> tuple[Json, ...]:
        """The resource type and every object type it uses; empty when azmcp knows no such type."""
        kept = self.folder / f"{resource_type.lower().replace('/', '.')}.json"
        with filelock.FileLock(f"{kept}.lock"):
            if not kept.is_file():
                kept.write_text(json.dumps(self._ask(resource_type)), "utf-8")
        return tuple(json.loads(kept.read_text("utf-8")))

    def _ask(self, resource_type: str) -> list[Json]:
        command = [self.azmcp, "bicepschema", "get", "--resource-type", resource_type.lower()]
        environment = {**os.environ, "AZURE_MCP_COLLECT_TELEMETRY": "false"}
        output = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120).stdout
        answer: Json = json.loads(output[output.index("{\n") :])  # a stack trace stands before a failure
        return list(answer["results"]["BicepSchemaResult"]) if answer["status"] == 200 else []


def _element(kind: Json, value: Json) -> Json | None:
    """The object type that the discriminator of a value selects, with the properties common to all of them."""
    chosen = value.get(kind["discriminator"])
    for element in kind["elements"]:
        own = {prop["name"]: prop for prop in element["properties"]}
        if own[kind["discriminator"]]["type"] == chosen:
            return {**element, "properties": kind["baseProperties"] + element["properties"]}
    return None


def _check_object(value: Json, kind: Json, types: Mapping[str, Json], scope: Scope, path: str) -> list[str]:
    if kind["$type"] == "DiscriminatedObject":
        element = _element(kind, value)
        if element is None:
            return [f"{path}.{kind['discriminator']}: none of the known kinds"]
        kind = element
    known = {prop["name"]: prop for prop in kind.get("properties", [])}
    required = {name for name, prop in known.items() if "Required" in prop.get("flags", "")}
    found = [f"{path}.{name}: missing" for name in sorted(required - value.keys() - IMPLIED)]
    for name, inner in value.items():
        if name in known:
            found += _check_property(inner, known[name], types, scope, f"{path}.{name}")
        elif name not in LANGUAGE and "additionalPropertiesType" not in kind:
            found.append(f"{path}.{name}: unknown property")
    return found


def _check_property(value: Any, prop: Json, types: Mapping[str, Json], scope: Scope, path: str) -> list[str]:
    if "ReadOnly" in prop.get("flags", ""):
        return [f"{path}: read-only"]
    wanted = prop["type"]
    kind = types.get(wanted.removesuffix("[]"))
    if kind is None:
        return _check_scalar(value, wanted, scope, path)
    items = value if isinstance(value, list) else [unwrapped(value)]
    return [line for item in items if is_object(item) for line in _check_object(item, kind, types, scope, path)]


def _check_scalar(value: Any, wanted: str, scope: Scope, path: str) -> list[str]:
    """A text outside the listed values, or a value of another type. Expressions are not evaluated."""
    if wanted.endswith("[]") and isinstance(value, list):  # `A | B[]` is a list of A and B
        return [line for item in value for line in _check_scalar(item, wanted.removesuffix("[]"), scope, path)]
    if isinstance(value, str):
        return _check_text(value, wanted, scope, path)
    expected = list if wanted.endswith("[]") else SCALARS.get(wanted, str if " | " in wanted else object)
    # In Python a bool is an int, in Bicep it is not.
    wrong = not isinstance(value, expected) or (expected is int and isinstance(value, bool))
    return [] if isinstance(value, dict) or not wrong else [f"{path}: {value!r} where {wanted} belongs"]


def _check_text(value: str, wanted: str, scope: Scope, path: str) -> list[str]:
    given = scope.type_of(value)
    if wanted in {"int", "bool"} and given not in {wanted, None}:
        return [f"{path}: {value} is {given}, not {wanted}"]
    listed = set(wanted.split(" | ")) - {"string"} if " | " in wanted else set()
    if listed and value not in scope.names and "${" not in value and value not in listed:
        return [f"{path}: {value!r} is none of {wanted}"]
    return []


def check_resource(known: Types, name: str, resource: Json, scope: Scope) -> list[str]:
    """Holds one resource against its type: unknown, missing and read-only properties, values, API version."""
    resource_type = resource["type"]
    if resource_type in NO_DEFINITION:
        return []
    definitions = known.of(resource_type)
    if not definitions:
        return [f"{name}: no resource type {resource_type}"]
    types = {kind["name"]: kind for kind in definitions if "properties" in kind or "elements" in kind}
    body_type = next(kind["bodyType"] for kind in definitions if kind["$type"] == "Resource")
    newest = next(prop["type"] for prop in body_type["properties"] if prop["name"] == "apiVersion")
    found = _check_object(body_of(resource), body_type, types, scope, name)
    if resource["api_version"] != newest:
        found.append(f"{name}: API version {resource['api_version']}, the one that can be checked is {newest}")
    return found


def check_resources(known: Types, file: Path) -> list[str]:
    """`check_resource` of each resource that a file makes."""
    tree = parse(file)
    scope = scope_of(tree)
    made = {name: resource for name, resource in tree.get("resources", {}).items() if not resource["existing"]}
    return [
        f"{file.name}:{line}"
        for name, resource in made.items()
        for line in check_resource(known, name, resource, scope)
    ]


# Modules and parameter files


def accessors(value: Any) -> Iterator[tuple[str, ...]]:
    """Every dotted access in a tree, as its parts: `vault.outputs.name` is ('vault', 'outputs', 'name')."""
    if isinstance(value, list):
        for item in value:
            yield from accessors(item)
    elif isinstance(value, dict):
        if (parts := _parts(value)) is not None:
            yield parts
        for inner in value.values():
            yield from accessors(inner)


def _parts(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value,)
    operator = value.get("operator") if isinstance(value, dict) else None
    if not isinstance(operator, dict) or operator.get("type") != "property_accessor":  # budgets have an `operator` too
        return None
    first, rest = (_parts(operator["operands"][key]) for key in ("operand_1", "operand_2"))
    return first + rest if first and rest else None


def _check_arguments(given: Json, wanted: Json, scope: Scope, path: str) -> list[str]:
    found = [f"{path}.{name}: the module has no such parameter" for name in sorted(given.keys() - wanted.keys())]
    required = {name for name, parameter in wanted.items() if parameter["default"] is None}
    found += [f"{path}.{name}: missing" for name in sorted(required - given.keys())]
    for name in given.keys() & wanted.keys():
        found += _check_scalar(given[name], wanted[name]["type"], scope, f"{path}.{name}")
    return found


def check_modules(file: Path) -> list[str]:
    """Calls of modules whose file is not there, whose parameters do not fit, or whose outputs do not exist."""
    tree = parse(file)
    found, outputs = [], {}
    for name, module in tree.get("modules", {}).items():
        target = file.parent / module["detail"]["path"]
        if not target.is_file():
            found.append(f"{file.name}:{name}: there is no {module['detail']['path']}")
            continue
        called = parse(target)
        outputs[name] = called.get("outputs", {})
        arguments = body_of(module).get("params", {})
        found += _check_arguments(arguments, called.get("parameters", {}), scope_of(tree), f"{file.name}:{name}")
    for parts in sorted(set(accessors(tree))):
        if parts[0] in outputs and parts[1:2] == ("outputs",) and parts[2] not in outputs[parts[0]]:
            found.append(f"{file.name}: {'.'.join(parts)}: the module has no such output")
    return found


def _decorators(parameter: Json) -> dict[str, Any]:
    return {decorator["type"]: decorator.get("argument") for decorator in parameter["decorators"]}


def _check_value(value: Any, parameter: Json, path: str) -> list[str]:
    expected = SCALARS[parameter["type"]]
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        return [f"{path}: {value!r} where {parameter['type']} belongs"]
    rules = _decorators(parameter)
    size = len(value) if isinstance(value, (str, list)) else 0
    broken = {
        "allowed": "allowed" in rules and value not in rules["allowed"],
        "min_length": "min_length" in rules and size < rules["min_length"],
        "max_length": "max_length" in rules and size > rules["max_length"],
        "min_value": "min_value" in rules and value < rules["min_value"],
        "max_value": "max_value" in rules and value > rules["max_value"],
    }
    return [f"{path}: {value!r} breaks {rule} {rules[rule]}" for rule, is_broken in broken.items() if is_broken]


def check_parameters(file: Path, template: Path) -> list[str]:
    """A JSON parameter file against the template it is for: unknown and missing parameters, types, allowed values."""
    wanted = parse(template)["parameters"]
    given = {name: entry["value"] for name, entry in json.loads(file.read_text(encoding="utf-8"))["parameters"].items()}
    found = [
        f"{file.name}: {name}: the template has no such parameter" for name in sorted(given.keys() - wanted.keys())
    ]
    required = {name for name, parameter in wanted.items() if parameter["default"] is None}
    found += [f"{file.name}: {name}: missing" for name in sorted(required - given.keys())]
    for name in given.keys() & wanted.keys():
        found += _check_value(given[name], wanted[name], f"{file.name}: {name}")
    return found


def check_folder(known: Types, folder: Path) -> list[str]:
    """Everything above, on each Bicep and parameter file of a folder. Raises FileNotFoundError when there is none."""
    files = sorted(folder.rglob("*.bicep"))
    if not files:
        raise FileNotFoundError(f"no Bicep file in {folder}")
    found = []
    for file in files:
        found += check_names(file)
        try:
            found += check_modules(file) + check_resources(known, file)
        except UnparsableError as error:
            found.append(str(error))
    for file in sorted(folder.glob("*.parameters.json")):
        found += check_parameters(file, folder / "main.bicep")
    return found


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """`text` with each `${name}` replaced by its value. Raises KeyError for a name without one."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)
