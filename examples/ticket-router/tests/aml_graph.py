"""Finds what azure-ai-ml accepts and the service then refuses, in the YAML files under aml/.

The SDK drops an input or output that a component does not declare, without a word, and takes a reference to a
job or a pipeline input that is not there. So the graph is checked here, on the files as they are written.

Run: python tests/aml_graph.py     checks the graph and loads every file with azure-ai-ml, without a workspace
"""

from __future__ import annotations

import ast
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

ANY = re.compile(r"\$\{\{(.*?)\}\}")
OPTIONAL = re.compile(r"\$\[\[.*?\]\]", re.DOTALL)
OWN = re.compile(r"(inputs|outputs)\.(\w+)")
PARENT = re.compile(r"parent\.(inputs|outputs)\.(\w+)")
SIBLING = re.compile(r"parent\.jobs\.(\w+)\.outputs\.(\w+)")
SCRIPT = re.compile(r"^\s*python\s+(\S+)")


def read(file: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping."""
    return dict(yaml.safe_load(file.read_text(encoding="utf-8")))


def references(text: object) -> list[str]:
    """What stands in the ${{ }} of a text; nothing for other values."""
    return [found.strip() for found in ANY.findall(text)] if isinstance(text, str) else []


def type_of(entry: object) -> str | None:
    """The declared type of an input or output, None for a plain value."""
    return entry.get("type") if isinstance(entry, dict) else None


@dataclass(frozen=True)
class Component:
    """A component file: of a command, or of a parallel job's workers."""

    file: Path

    @cached_property
    def written(self) -> dict[str, Any]:
        """The file's content."""
        return read(self.file)

    def declared(self, kind: str) -> dict[str, Any]:
        """The inputs or outputs by name."""
        return dict(self.written.get(kind) or {})

    def required(self) -> set[str]:
        """The inputs that a node must give."""
        inputs = self.declared("inputs").items()
        return {name for name, spec in inputs if not spec.get("optional") and "default" not in spec}

    @cached_property
    def command(self) -> str:
        """All that refers to inputs and outputs."""
        if "task" not in self.written:
            return str(self.written["command"])
        return f"{self.written['input_data']} {self.written['task'].get('program_arguments', '')}"

    @cached_property
    def runs(self) -> dict[str, Any]:
        """What says where the code is."""
        return dict(self.written.get("task") or self.written)

    def findings(self) -> Iterator[str]:
        """What is wrong in the file itself."""
        yield from self._undeclared(self.command)
        yield from self._unused(self.command)
        yield from self._unguarded(self.command)
        yield from self._missing_files(self.command)
        if "task" in self.written:
            yield from self._lenient()

    def _undeclared(self, command: str) -> Iterator[str]:
        for reference in references(command):
            match = OWN.fullmatch(reference)
            if not match or match[2] not in self.declared(match[1]):
                yield f"command: {reference} is not declared"

    def _unused(self, command: str) -> Iterator[str]:
        for kind in ("inputs", "outputs"):
            for name in self.declared(kind):
                if f"{kind}.{name}" not in references(command):
                    yield f"{kind}.{name}: the command does not use it"

    def _unguarded(self, command: str) -> Iterator[str]:
        always = references(OPTIONAL.sub("", command))
        for name, spec in self.declared("inputs").items():
            if spec.get("optional") and f"inputs.{name}" in always:
                yield f"command: inputs.{name} is optional and stands outside $[[ ]]"

    def _missing_files(self, command: str) -> Iterator[str]:
        code = self.file.parent / self.runs.get("code", ".")
        script = SCRIPT.match(command)
        entry = self.runs.get("entry_script")
        if not code.is_dir():
            yield f"code: no folder {self.runs['code']}"
        elif script and not (code / script[1]).exists():
            yield f"command: no {script[1]} in the code folder"
        elif entry:
            yield from self._contract(code / entry)

    def _contract(self, entry: Path) -> Iterator[str]:
        """The service calls two functions of an entry script by their names."""
        source = entry.read_text(encoding="utf-8") if entry.is_file() else ""
        defined = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
        for name in sorted({"init", "run"} - defined):
            yield f"task.entry_script: no function {name} in {entry.name}"

    def _lenient(self) -> Iterator[str]:
        """A parallel job ends well whatever fails, unless it is told how much may."""
        for name in ("error_threshold", "mini_batch_error_threshold"):
            if self.written.get(name, -1) < 0:
                yield f"{name}: without it the job ends well whatever fails"


@dataclass(frozen=True)
class Node:
    """One job of a pipeline."""

    name: str
    written: Mapping[str, Any]
    component: Component

    def given(self, kind: str) -> dict[str, Any]:
        """The inputs or outputs that the pipeline names, a sweep's search space among the inputs."""
        space = self.written.get("search_space") or {} if kind == "inputs" else {}
        return {**(self.written.get(kind) or {}), **dict.fromkeys(space)}

    def texts(self, kind: str) -> Iterator[tuple[str, str]]:
        """Name and text of each input or output, `path:` and plain form alike."""
        for name, entry in self.given(kind).items():
            value = entry.get("path") if isinstance(entry, dict) else entry
            yield name, str(value)

    def findings(self) -> Iterator[str]:
        """Names that the component does not have, and inputs that it needs and does not get."""
        for kind in ("inputs", "outputs"):
            for name in sorted(self.given(kind).keys() - self.component.declared(kind).keys()):
                yield f"jobs.{self.name}.{kind}.{name}: the component has no such name"
        for name in sorted(self.component.required() - self.given("inputs").keys()):
            yield f"jobs.{self.name}.inputs.{name}: the component needs it"


class Pipeline:
    """A pipeline job file with the components that it names."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.written = read(file)
        self.nodes: dict[str, Node] = {}
        self.missing: list[str] = []
        for name, job in self.written["jobs"].items():
            self._add(name, job)

    def _add(self, name: str, job: Mapping[str, Any]) -> None:
        reference = job.get("trial") or job.get("component") or ""
        component = self.file.parent / reference
        if component.is_file():
            self.nodes[name] = Node(name, job, Component(component))
        else:
            self.missing.append(f"jobs.{name}: no component file {reference!r}")

    def findings(self) -> Iterator[str]:
        """What is wrong in the graph."""
        yield from self.missing
        for node in self.nodes.values():
            yield from node.findings()
            yield from self._inputs(node)
            yield from self._outputs(node)
        yield from self._idle()
        yield from self._circle()

    def _inputs(self, node: Node) -> Iterator[str]:
        for name, text in node.texts("inputs"):
            wanted = type_of(node.component.declared("inputs").get(name))
            for reference in references(text):
                problem = self._input_problem(reference, wanted)
                if problem:
                    yield f"jobs.{node.name}.inputs.{name}: {reference} {problem}"

    def _input_problem(self, reference: str, wanted: str | None) -> str | None:
        found, entry = self._source(reference)
        if not found:
            return "does not exist"
        given = type_of(entry)
        return f"is a {given}, not a {wanted}" if given and wanted and given != wanted else None

    def _source(self, reference: str) -> tuple[bool, Any]:
        """Whether an input's reference leads anywhere, and what is declared there."""
        if match := PARENT.fullmatch(reference):
            inputs = self.written.get("inputs") or {}
            return match[1] == "inputs" and match[2] in inputs, inputs.get(match[2])
        if (match := SIBLING.fullmatch(reference)) and match[1] in self.nodes:
            outputs = self.nodes[match[1]].component.declared("outputs")
            return match[2] in outputs, outputs.get(match[2])
        return False, None

    def _outputs(self, node: Node) -> Iterator[str]:
        for name, text in node.texts("outputs"):
            for reference in references(text):
                match = PARENT.fullmatch(reference)
                if not match or match[1] != "outputs" or match[2] not in (self.written.get("outputs") or {}):
                    yield f"jobs.{node.name}.outputs.{name}: {reference} does not exist"

    def _idle(self) -> Iterator[str]:
        """Inputs that no job reads and outputs that no job writes."""
        used = {reference for node in self.nodes.values() for reference in _node_references(node)}
        for kind in ("inputs", "outputs"):
            for name in self.written.get(kind) or {}:
                if f"parent.{kind}.{name}" not in used:
                    yield f"{kind}.{name}: no job uses it"

    def _circle(self) -> Iterator[str]:
        """Jobs that wait for each other."""
        try:
            TopologicalSorter({name: _reads(node) for name, node in self.nodes.items()}).prepare()
        except CycleError as error:
            yield f"jobs: a circle, {' -> '.join(error.args[1])}"


def _node_references(node: Node) -> list[str]:
    texts = [text for kind in ("inputs", "outputs") for _, text in node.texts(kind)]
    return [reference for text in texts for reference in references(text)]


def _reads(node: Node) -> set[str]:
    """The jobs whose outputs a job reads."""
    found = (SIBLING.fullmatch(reference) for reference in _node_references(node))
    return {match[1] for match in found if match}


# Kinds of files that a job is made of. What serves is not loaded here.
LOADED = ("components", "data", "environments", "pipelines")


def _files(folder: Path, kind: str) -> list[Path]:
    found = sorted((folder / kind).glob("*.yml"))
    if not found:
        raise FileNotFoundError(f"no YAML file in {folder / kind}: nothing would be checked")
    return found


def lint(folder: Path) -> list[str]:
    """All findings in `folder` (the project's aml/), one line each, empty when it is sound.

    Raises:
        FileNotFoundError: there is no component or no pipeline to check.
    """
    checked: Iterable[Component | Pipeline] = [
        *(Component(file) for file in _files(folder, "components")),
        *(Pipeline(file) for file in _files(folder, "pipelines")),
    ]
    named = ((item, item.file.relative_to(folder).as_posix()) for item in checked)
    return [f"{name}: {finding}" for item, name in named for finding in item.findings()]


def files(folder: Path) -> list[Path]:
    """The files that a job is made of, below the project's aml/."""
    return sorted(file for kind in LOADED for file in (folder / kind).glob("*.yml"))


def load(file: Path) -> Any:
    """The file as azure-ai-ml reads it; fails on unknown fields, wrong types and values.

    Raises:
        ValueError: the SDK's own validation has something against the file.
    """
    from azure.ai.ml import load_component, load_data, load_environment, load_job

    loaders: dict[str, Callable[[Path], Any]] = {
        "components": load_component,
        "pipelines": load_job,
        "environments": load_environment,
        "data": load_data,
    }
    loaded = loaders[file.parent.name](file)
    problems = loaded._validate().error_messages if hasattr(loaded, "_validate") else {}
    if problems:
        raise ValueError(f"{file}: {problems}")
    return loaded


def main() -> int:
    """Check and load everything under aml/; the exit code."""
    logging.disable(logging.WARNING)  # the SDK warns of its own experimental classes
    warnings.simplefilter("ignore")
    folder = Path(__file__).resolve().parent.parent / "aml"
    findings = lint(folder)
    found = files(folder)
    for file in found if not findings else ():
        load(file)
    print("\n".join(findings) or f"{len(found)} files under aml/ are sound")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
