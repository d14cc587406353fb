"""Reads a bundle as the Databricks command line does, without the command line, a workspace or the network.

A bundle is databricks.yml with the files that it includes, and what a target changes in them. `resolve` gives what
would be deployed to a target: variables filled in, names with the prefix of `mode: development`, references to
other resources followed. What only a deployment knows, such as the id of a job, stays a ${...} reference, and so
does what leads nowhere (bundle_graph.py finds it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]
Keys = tuple[str, ...]

ENTRY = "databricks.yml"
# $${...} is how a bundle writes a literal ${...}.
REFERENCE = re.compile(r"(?<!\$)\$\{([A-Za-z_][\w-]*(?:\.[\w-]+|\[\d+\])*)\}")
# Lists whose items are found by a key when a target changes them; other lists grow.
KEYED = {"tasks": "task_key", "parameters": "name", "job_clusters": "job_cluster_key", "grants": "principal"}
# By what an item of a list is called in a finding.
LABELS = ("task_key", "environment_key", "job_cluster_key", "principal", "name")
# Who deploys, as far as names depend on it.
USER = {"userName": "jane.doe@example.com", "short_name": "jane_doe", "domain_friendly_name": "jane-doe-example-com"}
HOST = "https://adb-1234567890123456.7.azuredatabricks.net"
# Names with a prefix in development mode: as it is, in the last part of a path, or as an identifier.
PLAIN, LAST, IDENTIFIER = ("jobs", "models", "pipelines"), ("experiments",), ("registered_models", "schemas")


class UnreadableError(Exception):
    """The files cannot be read as a bundle at all."""


@dataclass(frozen=True)
class Bundle:
    """The files of a bundle as they are written, by their path from its root."""

    root: Path
    files: Mapping[str, Document]

    @cached_property
    def whole(self) -> Document:
        """All files as one document."""
        merged: Document = {}
        for name, content in self.files.items():
            try:
                merged = _merge(merged, content)
            except TypeError as error:
                raise UnreadableError(f"{name}: {error}") from error
        return merged

    @property
    def targets(self) -> list[str]:
        """The names of the targets."""
        return list(self.whole.get("targets") or {})

    def file(self, keys: Keys) -> str:
        """The file that holds a key path; for a path that no file holds the first one."""
        wanted = keys[:3] if keys[:1] == ("resources",) else keys[:1]
        return next((name for name, content in self.files.items() if at(content, wanted) is not None), ENTRY)

    def merged(self, target: str) -> Document:
        """The bundle with what a target changes, references still as they are written."""
        own = deepcopy(dict(self.whole.get("targets", {}).get(target) or {}))
        values = own.pop("variables", None) or {}
        common = {key: value for key, value in deepcopy(self.whole).items() if key != "targets"}
        document: Document = _by_key(_merge(common, own))
        for name, value in values.items():
            declared = value if isinstance(value, dict) and "default" in value else {"default": value}
            document.setdefault("variables", {})[name] = {**(document["variables"].get(name) or {}), **declared}
        return document


def read(root: Path) -> Bundle:
    """The bundle in a folder.

    Raises:
        UnreadableError: there is no databricks.yml, or a file is not YAML, or does not hold a mapping.
    """
    entry = _load(root, ENTRY)
    patterns = entry.get("include") or []
    names = [file.relative_to(root).as_posix() for pattern in patterns for file in sorted(root.glob(pattern))]
    return Bundle(root, {ENTRY: entry} | {name: _load(root, name) for name in names})


def resolve(bundle: Bundle, target: str) -> Document:
    """What would be deployed to a target."""
    document = bundle.merged(target)
    _imply(document, target)
    document = _fill(document, document, ("var", "bundle", "workspace"))
    _prefix(document)
    filled: Document = _fill(document, document, ("resources",))
    return filled


def walk(value: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Each value of a document with its key path, the document itself first."""
    yield keys, value
    if isinstance(value, dict):
        for key, below in value.items():
            yield from walk(below, (*keys, str(key)))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from walk(below, (*keys, f"[{label(below, index)}]"))


def label(item: Any, index: int) -> str:
    """What an item of a list is called: its key, or its position."""
    found = [item[key] for key in LABELS if key in item] if isinstance(item, dict) else []
    return str(found[0] if found else index)


def at(document: Any, keys: Keys) -> Any:
    """The value at a key path, None where there is none."""
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return None
        document = document[key]
    return document


def references(value: object) -> list[str]:
    """What stands in the ${ } of a text; nothing for other values."""
    return REFERENCE.findall(value) if isinstance(value, str) else []


class _Loader(yaml.CSafeLoader):  # that in C is ten times as fast
    """Refuses a key that stands twice in a mapping, where PyYAML takes the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {str(name) for name in names if names.count(name) > 1}
        if twice:
            message = f"{', '.join(sorted(twice))} stands twice in a mapping"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        return super().construct_mapping(node, deep)


def _load(root: Path, name: str) -> Document:
    try:
        content = yaml.load((root / name).read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UnreadableError(f"{name}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UnreadableError(f"{name}: not a mapping")
    return content


def _merge(below: Any, above: Any) -> Any:
    """Mappings key by key, lists one after the other, and else what is above."""
    if below is None or type(below) is not type(above):
        if isinstance(below, dict | list) and above is not None and not references(above):
            raise TypeError(f"cannot put {above!r} in the place of a {type(below).__name__}")
        return above
    if isinstance(below, list):
        return below + above
    if not isinstance(below, dict):
        return above
    both = {key: _merge(below[key], above[key]) for key in below.keys() & above.keys()}
    return {**below, **above, **both}


def _by_key(value: Any) -> Any:
    """Items of the same key, such as a task that a target changes, become one."""
    if isinstance(value, list):
        return [_by_key(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _joined(_by_key(below), KEYED.get(name)) for name, below in value.items()}


def _joined(value: Any, key: str | None) -> Any:
    if key is None or not isinstance(value, list) or not all(isinstance(item, dict) and key in item for item in value):
        return value
    joined: Document = {}
    for item in value:
        joined[item[key]] = _merge(joined.get(item[key]), item)
    return list(joined.values())


def _imply(document: Document, target: str) -> None:
    """What the command line fills in where a file says nothing."""
    name = document.setdefault("bundle", {}).get("name", "")
    document["bundle"] |= {"target": target, "mode": document.get("mode", ""), "environment": target}
    document["bundle"].setdefault("git", {"branch": "main", "commit": "0" * 40, "origin_url": ""})
    workspace = document.setdefault("workspace", {})
    home = f"/Workspace/Users/{USER['userName']}"
    root = str(workspace.setdefault("root_path", f"{home}/.bundle/{name}/{target}"))
    workspace["root_path"] = root.replace("~/", f"{home}/", 1) if root.startswith("~/") else root
    for part in ("file", "artifact", "state", "resource"):
        folder = {"file": "files", "artifact": "artifacts", "resource": "resources"}.get(part, part)
        workspace.setdefault(f"{part}_path", "${workspace.root_path}/" + folder)
    workspace.setdefault("host", HOST)
    workspace["current_user"] = dict(USER)
    if document.get("mode") == "development":
        document["presets"] = {"name_prefix": f"[dev {USER['short_name']}] ", **(document.get("presets") or {})}


def _fill(value: Any, document: Document, roots: Keys, seen: Keys = ()) -> Any:
    """The value with its references to these roots followed; a circle stays as it is written."""
    if isinstance(value, dict):
        return {key: _fill(below, document, roots, seen) for key, below in value.items()}
    if isinstance(value, list):
        return [_fill(below, document, roots, seen) for below in value]
    if not isinstance(value, str):
        return value

    def follow(match: re.Match[str]) -> Any:
        path = match[1]
        found = _target(document, path) if path.split(".")[0] in roots and path not in seen else None
        return match[0] if found is None else _fill(found, document, roots, (*seen, path))

    whole = REFERENCE.fullmatch(value)
    return follow(whole) if whole else REFERENCE.sub(lambda match: _text(follow(match)), value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _target(document: Document, path: str) -> Any:
    """What a reference leads to, None where that is not known."""
    keys = tuple(path.split("."))
    if keys[0] == "var":
        keys = ("variables", keys[1], "default", *keys[2:])
    found = at(document, keys)
    return computed(document, keys) if found is None else found


def computed(document: Document, keys: Keys) -> str | None:
    """The fields that Unity Catalog makes of others: full names, and the path of a volume."""
    if len(keys) != 4 or keys[1] not in ("schemas", "volumes", "registered_models"):
        return None
    resource = at(document, keys[:3]) or {}
    levels = ("catalog_name", "name") if keys[1] == "schemas" else ("catalog_name", "schema_name", "name")
    names = [str(resource.get(level)) for level in levels]
    if keys[3] in ("id", "full_name"):
        return ".".join(names)
    return "/".join(("/Volumes", *names)) if keys[1:4:2] == ("volumes", "volume_path") else None


def _prefix(document: Document) -> None:
    """The names that `presets.name_prefix` changes; those of volumes it does not."""
    prefix = str((document.get("presets") or {}).get("name_prefix") or "")
    identifier = re.sub(r"\W+", "_", prefix).strip("_") + "_" * prefix.rstrip().endswith("]")
    for kind, resources in (document.get("resources") or {}).items():
        for resource in resources.values():
            name = str(resource.get("name", ""))
            if kind in PLAIN:
                resource["name"] = prefix + name
            elif kind in LAST:
                folder, slash, last = name.rpartition("/")
                resource["name"] = f"{folder}{slash}{prefix}{last}"
            elif kind in IDENTIFIER:
                resource["name"] = identifier + name
