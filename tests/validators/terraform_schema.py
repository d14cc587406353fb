"""The schema of a Terraform provider, rebuilt from the npm package that was generated from it.

`terraform validate` wants a provider's schema, and providers come from HashiCorp's registry only. The packages
@cdktf/provider-* hold the same facts in two places:

- `.jsii`, the types of its TypeScript: an interface a block, a property an argument, with its type, whether it is optional,
  and a link to the documentation that ends in the argument's Terraform name;
- `lib/**/*.js`: a function a block that says which arguments are nested blocks and which collections are sets, and getters
  that give read-only attributes their Terraform names.

What cannot be told from them becomes `dynamic`, a type that accepts everything: a wrong schema must not refuse a right file.
The packages are no longer renewed, so a file of changes brings a schema to the provider's release that projects use.

Run: python terraform_schema.py PACKAGE_FOLDER CHANGES.toml SCHEMA.json
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]
CtyType = Any  # as Terraform writes types in JSON: "string", ["list", "string"], ["object", {"name": "string"}]

PRIMITIVES = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic", "json": "dynamic"}
READ_ONLY = {
    "cdktf.StringMap": ["map", "string"],
    "cdktf.NumberMap": ["map", "number"],
    "cdktf.BooleanMap": ["map", "bool"],
    "cdktf.IResolvable": "bool",
}
# The section of the schema that classes with this base belong to.
SECTIONS = {
    "cdktf.TerraformProvider": "provider",
    "cdktf.TerraformResource": "resources",
    "cdktf.TerraformDataSource": "data",
}
# The library's own members of a class, not attributes of Terraform's.
OWN_MEMBERS = frozenset({"fqn", "internalValue", "tfResourceType"})

BLOCK_FUNCTION = re.compile(r"(?:function (\w+)ToHclTerraform\(|(synthesizeHclAttributes)\()")
ARGUMENT = re.compile(r'(\w+): \{\s*value: .*?,\s*isBlock: (true|false),\s*type: "(\w+)"')
GETTER = re.compile(
    r"get (\w+)\(\) \{\s*return (?:cdktf\.Fn\.\w+\()?this\.(?:interpolationForAttribute|get\w+)\([\"'](\w+)[\"']"
)
NESTED_MEMBER = re.compile(r'this\._(\w+) = new \w+\(this, "(\w+)"')
TYPE_NAME = re.compile(r'tfResourceType = "(\w+)"')
RELEASE = re.compile(r"providerVersion: '([\d.]+)'")
NAME_IN_LINK = re.compile(r"\{@link \S+#(\w+) ")


@dataclass(frozen=True)
class Argument:
    """What the code tells about an argument: a nested block or a value, and how it is stored ("stringList", "set", …)."""

    is_block: bool = False
    storage: str = ""


@dataclass(frozen=True)
class Code:
    """What one JavaScript file tells."""

    arguments: dict[str, dict[str, Argument]]  # by function, then by Terraform name
    attribute_names: dict[str, str]  # Terraform name by member
    type_name: str
    release: str


@cache
def read_code(path: Path) -> Code:
    """Read one JavaScript file."""
    text = path.read_text("utf-8")
    arguments = {}
    for function in BLOCK_FUNCTION.finditer(text):
        body = text[function.end() :].split("// remove undefined", 1)[0]
        arguments[function[1] or function[2]] = {
            name: Argument(is_block == "true", storage) for name, is_block, storage in ARGUMENT.findall(body)
        }
    type_name, release = TYPE_NAME.search(text), RELEASE.search(text)
    return Code(
        arguments=arguments,
        attribute_names=dict(NESTED_MEMBER.findall(text)) | dict(GETTER.findall(text)),
        type_name=type_name[1] if type_name else "",
        release=release[1] if release else "",
    )


def terraform_name(prop: Json) -> str:
    """The Terraform name of a property: from the link to its documentation, else its own in snake case."""
    docs = prop.get("docs", {})
    link = NAME_IN_LINK.search(f"{docs.get('remarks', '')} {docs.get('summary', '')}")
    return link[1] if link else re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", prop["name"]).lower()


def plain_type(jsii: Json) -> Json:
    """A type without the placeholder that the library allows beside every type; of several, the collection."""
    while "union" in jsii:
        types = [part for part in jsii["union"]["types"] if part.get("fqn") != "cdktf.IResolvable"]
        jsii = next((part for part in types if "collection" in part), types[0] if types else {"primitive": "any"})
    return jsii


def element_type(jsii: Json) -> tuple[Json, bool]:
    """The type of an array's elements and True, or the type itself and False."""
    is_array = jsii.get("collection", {}).get("kind") == "array"
    return (plain_type(jsii["collection"]["elementtype"]), True) if is_array else (jsii, False)


def attribute(of_type: CtyType, *, required: bool = False, read_only: bool = False) -> Json:
    """An attribute. An optional one may also be computed: Azure fills in what the file leaves out."""
    return {
        "type": of_type,
        "required": required,
        "optional": not required and not read_only,
        "computed": not required,
    }


class Package:
    """An unpacked @cdktf/provider-* package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.types: dict[str, Json] = json.loads((folder / ".jsii").read_text("utf-8"))["types"]

    def code(self, jsii: Json) -> Code:
        """The JavaScript beside the TypeScript that declares a type."""
        return read_code(self.folder / re.sub(r"^src/(.+)\.ts$", r"lib/\1.js", jsii["locationInModule"]["filename"]))

    def interface(self, jsii: Json) -> Json | None:
        """The interface that a type refers to."""
        found = self.types.get(jsii.get("fqn", ""))
        return found if found and found["kind"] == "interface" else None

    def value_type(self, jsii: Json, storage: str = "") -> CtyType:
        """The type of an argument that is a value."""
        jsii = plain_type(jsii)
        if "primitive" in jsii:
            return PRIMITIVES[jsii["primitive"]]
        if "collection" in jsii:
            is_map = jsii["collection"]["kind"] == "map"
            kind = "map" if is_map else "set" if storage.lower().endswith("set") else "list"
            return [kind, self.value_type(jsii["collection"]["elementtype"])]
        if interface := self.interface(jsii):
            return ["object", {terraform_name(p): self.value_type(p["type"]) for p in interface.get("properties", [])}]
        return "dynamic"

    def read_only_type(self, jsii: Json) -> CtyType:
        """The type of a read-only attribute; a structure stays dynamic, so that any path into it is accepted."""
        jsii = plain_type(jsii)
        if "fqn" not in jsii:
            return self.value_type(jsii)
        fqn = self.types.get(jsii["fqn"], {}).get("base", "") if jsii["fqn"] in self.types else jsii["fqn"]
        return READ_ONLY.get(fqn, "dynamic")

    def block(self, code: Code, interface: str, function: str, owner: str) -> Json:
        """The arguments of an interface, then what else can be read from its `owner`, the class that goes with it."""
        attributes: dict[str, Json] = {}
        blocks: dict[str, Json] = {}
        properties = self.types[interface].get("properties", [])
        for prop in properties:
            name, required = terraform_name(prop), not prop.get("optional")
            told = code.arguments.get(function, {}).get(name, Argument())
            element, is_array = element_type(plain_type(prop["type"]))
            nested = self.interface(element)
            called_block = prop.get("docs", {}).get("summary", "").rstrip(".").endswith(" block")
            if nested is None or not (told.is_block or called_block):
                attributes[name] = attribute(self.value_type(prop["type"], told.storage), required=required)
                continue
            function_name = nested["name"][0].lower() + nested["name"][1:]
            inner = self.block(code, element["fqn"], function_name, f"{element['fqn']}OutputReference")
            nesting = "single" if name == "timeouts" else "set" if told.storage == "set" else "list"
            limits = (0, 0) if nesting == "single" else (int(required), int(not is_array))
            blocks[name] = {"nesting": nesting, "min": limits[0], "max": limits[1], "block": inner}
        attributes |= {
            name: attribute(of_type, read_only=True)
            for name, of_type in self.read_only(code, owner, {prop["name"] for prop in properties})
            if name not in attributes and name not in blocks
        }
        return {"attributes": attributes, "blocks": blocks}

    def read_only(self, code: Code, owner: str, arguments: set[str]) -> Iterator[tuple[str, CtyType]]:
        """The attributes of a class that are no arguments."""
        for prop in self.types.get(owner, {}).get("properties", []):
            member = prop["name"]
            name = code.attribute_names.get(member)
            if name and member not in arguments | OWN_MEMBERS and not member.endswith("Input"):
                yield name, self.read_only_type(prop["type"])

    def schema(self) -> Json:
        """The whole schema."""
        schema: Json = {"release": "", "provider": {}, "resources": {}, "data": {}}
        for fqn, jsii in self.types.items():
            section = SECTIONS.get(jsii.get("base", ""))
            if section is None:
                continue
            code = self.code(jsii)
            schema["release"] = schema["release"] or code.release
            block = self.block(code, f"{fqn}Config", "synthesizeHclAttributes", fqn)
            if section == "provider":
                block["attributes"].pop("alias")  # Terraform's own
                schema["provider"] = block
            else:
                block["attributes"].setdefault("id", attribute("string"))
                schema[section][code.type_name] = block
        return schema


def apply_changes(schema: Json, changes: Json) -> None:
    """Bring a schema to the release that the changes are from. Raises KeyError for a change that is none."""
    changed = [(schema["resources"][name], change) for name, change in changes["resources"].items()]
    for block, change in [(schema["provider"], changes["provider"]), *changed]:
        for name in change.get("removed", []):
            del block["attributes" if name in block["attributes"] else "blocks"][name]
        for kind in ("optional", "required"):
            for name, of_type in change.get(kind, {}).items():
                block["attributes"][name] = attribute(of_type, required=kind == "required")
    schema["release"] = changes["provider_version"]


def written(table: Json) -> Json:
    """A block that is written down by hand: its arguments and attributes, and the blocks in it, of which there is one at most."""
    attributes = {
        name: attribute(of_type, required=kind == "required", read_only=kind == "read_only")
        for kind in ("required", "optional", "read_only")
        for name, of_type in table.get(kind, {}).items()
    }
    blocks = {
        name: {"nesting": "list", "min": 0, "max": 1, "block": written(nested)}
        for name, nested in table.get("blocks", {}).items()
    }
    return {"attributes": attributes, "blocks": blocks}


def written_schema(path: Path) -> Json:
    """The schema of a provider of which no package is known, from a file that holds what projects use of it."""
    table = tomllib.loads(path.read_text("utf-8"))
    resources = {name: written(block) for name, block in table["resources"].items()}
    return {"release": table["release"], "provider": written(table["provider"]), "resources": resources, "data": {}}


def main() -> None:
    package, changes, target = map(Path, sys.argv[1:])
    schema = Package(package).schema()
    apply_changes(schema, tomllib.loads(changes.read_text("utf-8")))
    target.write_text(json.dumps(schema), "utf-8")
    print(f"{schema['release']}: {len(schema['resources'])} resources, {len(schema['data'])} data sources")


if __name__ == "__main__":
    main()
