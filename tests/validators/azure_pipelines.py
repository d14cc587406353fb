"""What a run of Azure Pipelines is made of: templates, `${{ }}` and branches worked out, as the service does before a run.

Only what our files use is understood. Everything else is an error, so that a new construct is not passed over in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

EXPRESSION = re.compile(r"\$\{\{\s*((?:(?!\}\}).)*?)\s*\}\}")
MACRO = re.compile(r"\$\(([A-Za-z][\w.]*)\)")
TOKEN = re.compile(r"\s*('[^']*'|[A-Za-z_][\w.]*|[()\[\],])")
BRANCH = re.compile(r"\$\{\{\s*(if|elseif|else)\b\s*(.*?)\s*\}\}")
TYPES: dict[str, type] = {"string": str, "boolean": bool}
LITERALS = {"true": True, "false": False}
FUNCTIONS: dict[str, Callable[..., bool]] = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "and": lambda *values: all(values),
    "or": lambda *values: any(values),
    "not": lambda value: not value,
}
# What Azure Pipelines sets by itself and our files read.
PREDEFINED = {
    "Agent.TempDirectory",
    "Build.ArtifactStagingDirectory",
    "Build.Reason",
    "Build.SourcesDirectory",
    "System.AccessToken",
    "System.JobAttempt",
    "System.PullRequest.IsFork",
}


class PipelineError(Exception):
    """The service would refuse the file before a run, or this module does not know a construct."""


@dataclass(frozen=True)
class Scope:
    """What expressions may name: the parameters of the file at hand and the variables known before the run."""

    parameters: Mapping[str, Any]
    variables: Mapping[str, str]

    def value(self, name: str) -> Any:
        """A parameter or variable by its full name, as in `parameters.environment`."""
        kind, _, key = name.partition(".")
        known = {"parameters": self.parameters, "variables": self.variables}.get(kind, {})
        if key not in known:
            raise PipelineError(f"nothing is called {name}")
        return known[key]


@dataclass(frozen=True)
class Job:
    """A job of a run, with what its stage says about it."""

    name: str
    needs: tuple[str, ...]
    condition: str
    lock: str
    variables: list[dict[str, str]]
    body: Mapping[str, Any]

    @property
    def title(self) -> str:
        """The name that people see."""
        return str(self.body.get("displayName", ""))

    @property
    def is_deployment(self) -> bool:
        """Whether the job runs in an environment."""
        return "deployment" in self.body

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Its steps, wherever they stand."""
        if not self.is_deployment:
            return list(self.body["steps"])
        return list(self.body["strategy"]["runOnce"]["deploy"]["steps"])

    @property
    def connections(self) -> set[str]:
        """The service connections that its steps sign in with."""
        inputs = [step.get("inputs", {}) for step in self.steps]
        return {given["azureSubscription"] for given in inputs if "azureSubscription" in given}


def expand(file: Path, reason: str = "Manual", *, pool: str | None = None, **parameters: Any) -> dict[str, Any]:
    """A pipeline as it would run, for a reason and with the parameters that somebody chose.

    With a pool, as if the project had named its own machines in the variable of that name.
    """
    content = load(file)
    scope = Scope(chosen(content, parameters, file), {"Build.Reason": reason})
    variables = grown(content.get("variables", []), scope, file)
    if pool is not None:
        variables = [item | {"value": pool} if item.get("name") == "pool" else item for item in variables]
    known = {**scope.variables, **{item["name"]: item["value"] for item in variables if "name" in item}}
    rest = {key: value for key, value in content.items() if key not in {"parameters", "variables"}}
    grown_rest = grown(rest, Scope(scope.parameters, known), file)
    assert isinstance(grown_rest, dict)
    return {**grown_rest, "variables": variables}


def load(file: Path) -> dict[str, Any]:
    """The content of a file, which must be a mapping."""
    if not file.is_file():
        raise PipelineError(f"{file.name} does not exist")
    content = yaml.safe_load(file.read_text("utf-8"))
    if not isinstance(content, dict):
        raise PipelineError(f"{file.name} is not a mapping")
    return content


def chosen(content: Mapping[str, Any], given: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The parameters of a file: what was given, else the defaults. Each must be declared, of its type and among its values."""
    declared = {item["name"]: item for item in content.get("parameters", [])}
    if unknown := given.keys() - declared.keys():
        raise PipelineError(f"{file.name} declares no parameter {', '.join(sorted(unknown))}")
    found = {}
    for name, item in declared.items():
        if name not in given and "default" not in item:
            raise PipelineError(f"{file.name} needs the parameter {name}")
        found[name] = given.get(name, item.get("default"))
        if not isinstance(found[name], TYPES[item["type"]]):
            raise PipelineError(f"{file.name}: {name} is no {item['type']}: {found[name]!r}")
        if found[name] not in item.get("values", [found[name]]):
            raise PipelineError(f"{file.name}: {name} cannot be {found[name]!r}")
    return found


def grown(node: Any, scope: Scope, file: Path) -> Any:
    """A part of a file with its expressions worked out and its templates put in."""
    if isinstance(node, dict):
        # A branch of a mapping gives it its keys.
        parts = branches([{key: value} for key, value in node.items()], scope)
        return {key: grown(value, scope, file) for part in parts for key, value in part.items()}
    if isinstance(node, list):
        return [item for part in branches(node, scope) for item in entries(part, scope, file)]
    return worked_out(node, scope) if isinstance(node, str) else node


def entries(item: Any, scope: Scope, file: Path) -> list[Any]:
    """What one entry of a list becomes: the list of a template, or itself."""
    if not (isinstance(item, dict) and "template" in item):
        return [grown(item, scope, file)]
    template = file.parent / item["template"]
    content = load(template)
    given = grown(item.get("parameters", {}), scope, file)
    kinds = {"stages", "jobs", "steps", "variables"} & content.keys()
    if len(kinds) != 1:
        raise PipelineError(f"{template.name} is not a template of one kind")
    inner = Scope(chosen(content, given, template), scope.variables)
    found = grown(content[kinds.pop()], inner, template)
    assert isinstance(found, list)
    return found


def branches(items: list[Any], scope: Scope) -> Iterator[Any]:
    """The entries of a list, of `${{ if }}` and `${{ else }}` only the branch that holds. A branch is a list or a mapping."""
    is_open = False
    for item in items:
        key = next(iter(item)) if isinstance(item, dict) and len(item) == 1 else ""
        found = BRANCH.fullmatch(str(key))
        if not found:
            yield item
            continue
        word, condition = found.groups()
        holds = (word == "if" or is_open) and (word == "else" or bool(evaluate(condition, scope)))
        is_open = not holds and (word == "if" or is_open)
        if holds:
            inner = item[key]
            yield from branches([{name: inner[name]} for name in inner] if isinstance(inner, dict) else inner, scope)


def worked_out(text: str, scope: Scope) -> Any:
    """A text with its expressions worked out; one that is nothing but an expression keeps its type."""
    if whole := EXPRESSION.fullmatch(text):
        return evaluate(whole[1], scope)
    return EXPRESSION.sub(lambda found: str(evaluate(found[1], scope)), text)


def evaluate(expression: str, scope: Scope) -> Any:
    """The value of an expression."""
    tokens = TOKEN.findall(expression)
    if "".join(tokens) != re.sub(r"\s", "", expression):
        raise PipelineError(f"cannot read the expression {expression}")
    value = _value(tokens, scope)
    if tokens:
        raise PipelineError(f"cannot read the expression {expression}")
    return value


def _value(tokens: list[str], scope: Scope) -> Any:
    """The value that the tokens begin with, which are taken away."""
    if not tokens:
        raise PipelineError("an expression ends too early")
    token = tokens.pop(0)
    if token.startswith("'"):
        return token[1:-1]
    if token in LITERALS:
        return LITERALS[token]
    if tokens[:1] == ["("] and token in FUNCTIONS:
        return FUNCTIONS[token](*_arguments(tokens, scope))
    if tokens[:1] == ["["]:
        _, key, _ = tokens[:3]
        del tokens[:3]
        return scope.value(f"{token}.{key[1:-1]}")
    return scope.value(token)


def _arguments(tokens: list[str], scope: Scope) -> list[Any]:
    """The arguments of a call, whose tokens are taken away with both brackets."""
    found = []
    while tokens and tokens.pop(0) != ")":
        found.append(_value(tokens, scope))
    return found


def jobs(pipeline: Mapping[str, Any]) -> list[Job]:
    """All jobs of a run in order. A job without a stage has only itself to say."""
    found = [_job(job, {}, pipeline) for job in pipeline.get("jobs", [])]
    for stage in pipeline.get("stages", []):
        found += [_job(job, stage, pipeline) for job in stage["jobs"]]
    return found


def _job(job: Mapping[str, Any], stage: Mapping[str, Any], pipeline: Mapping[str, Any]) -> Job:
    needs = stage.get("dependsOn", job.get("dependsOn", []))
    return Job(
        name=str(stage.get("stage", job.get("deployment", job.get("job")))),
        needs=(needs,) if isinstance(needs, str) else tuple(needs),
        condition=str(stage.get("condition", "")),
        lock=str(stage.get("lockBehavior", "")),
        variables=[*pipeline["variables"], *stage.get("variables", [])],
        body={"pool": pipeline.get("pool"), **job},
    )
