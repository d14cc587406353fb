"""A bundle as one target has it, and the jobs and tasks in it, for the rules and the runner."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from bundle import Bundle, Document, Keys, at, references, resolve, walk

# What the service fills in when a task starts.
DYNAMIC = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
# Each with what follows after a dot; parameters, tasks and input depend on the job.
DYNAMIC_KNOWN = (
    *(f"job.{word}" for word in ("id", "name", "run_id", "repair_count", "start_time", "trigger")),
    *(f"task.{word}" for word in ("name", "run_id", "execution_count", "notebook_path")),
    *("workspace.id", "workspace.url", "backfill.iso_datetime"),
)


@dataclass(frozen=True, order=True)
class Finding:
    """What is wrong, where, and how to mend it."""

    keys: Keys
    message: str

    @property
    def path(self) -> str:
        """The key path as a text, such as resources.jobs.train.tasks[evaluate]."""
        return ".".join(self.keys).replace(".[", "[")


@dataclass(frozen=True)
class Job:
    """A job by its resource key."""

    name: str
    written: Document

    @property
    def keys(self) -> Keys:
        """Its key path."""
        return ("resources", "jobs", self.name)

    @property
    def parameters(self) -> dict[str, str]:
        """The declared parameters with their defaults."""
        declared = self.written.get("parameters") or ()
        return {str(item.get("name")): str(item.get("default", "")) for item in declared}

    def hosts(self) -> list[Task]:
        """The tasks that the graph knows."""
        return [Task(self, written) for written in self.written.get("tasks") or ()]

    def tasks(self) -> Iterator[Task]:
        """All tasks, with those that a for_each_task repeats."""
        for task in self.hosts():
            yield task
            repeated = at(task.written, ("for_each_task", "task"))
            if isinstance(repeated, dict):
                yield Task(self, repeated, task)


@dataclass(frozen=True)
class Task:
    """A task; `around` is the for_each_task that repeats it."""

    job: Job
    written: Document
    around: Task | None = None

    @property
    def name(self) -> str:
        """Its task_key."""
        return str(self.written.get("task_key"))

    @property
    def host(self) -> str:
        """The task_key under which the graph knows it."""
        return self.around.name if self.around else self.name

    @property
    def iterated(self) -> bool:
        """Whether it has an {{input}}."""
        return self.around is not None

    @property
    def keys(self) -> Keys:
        """Its key path."""
        if self.around:
            return (*self.around.keys, "for_each_task", "task")
        return (*self.job.keys, "tasks", f"[{self.name}]")

    def texts(self) -> Iterator[tuple[Keys, str]]:
        """Each text with its key path, without those of a task inside."""
        own = {key: value for key, value in self.written.items() if key != "for_each_task"}
        inputs = at(self.written, ("for_each_task", "inputs"))
        own |= {"for_each_task": {"inputs": inputs}} if inputs is not None else {}
        return ((keys, value) for keys, value in walk(own, self.keys) if isinstance(value, str))


@dataclass(frozen=True)
class View:
    """A bundle as it would be deployed to a target."""

    bundle: Bundle
    target: str

    @cached_property
    def merged(self) -> Document:
        """With what the target changes, references as they are written."""
        return self.bundle.merged(self.target)

    @cached_property
    def resolved(self) -> Document:
        """With references followed."""
        return resolve(self.bundle, self.target)

    def resources(self, kind: str | None = None) -> Iterator[tuple[Keys, Document]]:
        """Key path and content of each resource, as it is written."""
        for group, resources in (self.merged.get("resources") or {}).items():
            for name, resource in (resources or {}).items() if kind in (None, group) else ():
                if isinstance(resource, dict):
                    yield ("resources", group, name), resource

    def jobs(self, resolved: bool = False) -> list[Job]:
        """The jobs, as they are written or resolved."""
        document = self.resolved if resolved else self.merged
        jobs = at(document, ("resources", "jobs")) or {}
        return [Job(name, written) for name, written in jobs.items() if isinstance(written, dict)]

    def catalogs(self) -> set[str]:
        """What the catalog is called in any target."""
        used = (resource.get("catalog_name") for _, resource in self.resources())
        variables = {reference.split(".")[1] for name in used for reference in references(name) if "var." in reference}
        documents = (self.bundle.merged(target) for target in self.bundle.targets)
        found = (at(document, ("variables", name, "default")) for document in documents for name in variables)
        return {str(name) for name in found if name and not references(name)}


def named(task: Task) -> set[str]:
    """The tasks that a task waits for."""
    return {str(item.get("task_key")) for item in task.written.get("depends_on") or ()}


def upstream(task: Task) -> set[str]:
    """All tasks that have ended before a task starts."""
    hosts: Mapping[str, Task] = {host.name: host for host in task.job.hosts()}
    found: set[str] = set()
    waiting = [hosts[task.host]] if task.host in hosts else []
    while waiting:
        for name in named(waiting.pop()) - found:
            found.add(name)
            waiting += [hosts[name]] if name in hosts else []
    return found
