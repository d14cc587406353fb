"""What the tasks of a bundle run, held against the programs themselves: entry points, options, settings, places.

The command line of each task is read by the very parser that will read it, which then starts nothing. So a renamed
option or setting is found here and not after a cluster has started.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import typer
from bundle import at, computed
from bundle_view import DYNAMIC, Finding, Task, View, upstream

# The files that every computer of a job sees: those of volumes, and the deployed ones.
SHARED = ("/Volumes/", "/Workspace/", "{{")
# Which key of a task names a file of the project.
FILES = {"spark_python_task": "python_file", "notebook_task": "notebook_path"}
WIDGET = re.compile(r"""widgets\.get\(["'](\w+)""")
VALUE = re.compile(r"""taskValues\.set\((?:key=)?["'](\w+)""")
# By this parameter a notebook gets the command line of the console script of that name, a word a line.
SCRIPT = "pipeline"
GPUS = re.compile(r"GPU_(\d+)x")
READ_VALUE = re.compile(r"\{\{\s*tasks\.(\w+)\.values\.(\w+)\s*\}\}")


@dataclass(frozen=True)
class Command:
    """A command line as its own parser reads it; option by option, with the defaults."""

    name: str
    options: Mapping[str, Any]


class UsageError(Exception):
    """The parser refuses a command line."""


# --- what a task says ----------------------------------------------------------------------------------------------


def command(task: Task) -> str:
    """The step that a task runs, such as evaluate; "" for tasks that run none."""
    words = [] if "spark_python_task" in task.written else command_line(task)
    return words[0] if words else ""


def command_line(task: Task) -> list[str]:
    """The words that a task's program reads: of a notebook those that it hands on."""
    if "notebook_task" in task.written:
        return str(at(task.written, ("notebook_task", "base_parameters", SCRIPT)) or "").splitlines()
    return arguments(task)


def arguments(task: Task) -> list[str]:
    """The words that a task gets. Named parameters come with those of the job, as the service adds them."""
    if "notebook_task" in task.written:
        given = {**task.job.parameters, **(task.written["notebook_task"].get("base_parameters") or {})}
        return [f"{name}={value}" for name, value in given.items()]
    for kind in ("python_wheel_task", "spark_python_task"):
        written = task.written.get(kind) or {}
        if "named_parameters" in written and "parameters" not in written:
            given = {**task.job.parameters, **written["named_parameters"]}
            return [f"--{name}={value}" for name, value in given.items()]
        if written:
            return [str(word) for word in written.get("parameters") or ()]
    return []


def replace(text: str, values: Mapping[str, str]) -> str:
    """A text with the {{...}} that have a value replaced by it."""
    return DYNAMIC.sub(lambda match: values.get(match[1], match[0]), text)


def parameters(task: Task) -> dict[str, str]:
    """The job's parameters by the name that tasks use; those without a default are left out."""
    return {f"job.parameters.{name}": value for name, value in task.job.parameters.items() if value}


def inputs(task: Task, values: Mapping[str, str]) -> list[dict[str, str]]:
    """The values of {{input}} and {{input.key}} in each turn of the for_each_task around a task.

    Raises:
        ValueError: the inputs are no list of JSON.
    """
    written = at(task.around.written, ("for_each_task", "inputs")) if task.around else "[]"
    items = json.loads(replace(str(written), values))
    if not isinstance(items, list):
        raise ValueError("the inputs of a for_each_task are a list")
    return [_input(item) for item in items]


def _input(item: Any) -> dict[str, str]:
    below = {f"input.{key}": _word(value) for key, value in item.items()} if isinstance(item, dict) else {}
    return {"input": _word(item)} | below


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def turns(task: Task) -> list[tuple[str, ...]]:
    """The words of each start of a task, as far as they are known before the job runs."""
    known = parameters(task)
    if task.around is None:
        return [tuple(replace(word, known) for word in command_line(task))]
    try:
        items = inputs(task, known)
    except ValueError:  # comes from an earlier task
        items = [{}]
    return [tuple(replace(word, known | item) for word in command_line(task)) for item in items]


# --- the programs --------------------------------------------------------------------------------------------------


@cache
def pyproject(root: Path) -> dict[str, Any]:
    """The project's metadata."""
    found: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


@cache
def program(root: Path, entry_point: str) -> typer.Typer:
    """The typer app behind a console script: the name `app` in the module of its function."""
    module, _, _ = pyproject(root)["scripts"][entry_point].partition(":")
    app: typer.Typer = importlib.import_module(module).app
    return app


@cache
def script(file: Path) -> typer.Typer | None:
    """The typer app of a script, None when it has none."""
    spec = importlib.util.spec_from_file_location(f"script_{file.stem}", file)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # where typer looks for the types of the options
    spec.loader.exec_module(module)
    return getattr(module, "app", None)


@cache
def parse(app: typer.Typer, words: tuple[str, ...]) -> Command:
    """Read a command line without running anything.

    Raises:
        UsageError: the parser refuses it, or it asks for help.
    """
    group: Any = typer.main.get_command(app)
    for each in [group, *getattr(group, "commands", {}).values()]:
        each.callback = _capture(each)
    try:
        with redirect_stdout(StringIO()):
            read = group.main(list(words), prog_name="", standalone_mode=False)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        raise UsageError(" ".join(error.format_message().split())) from error
    if not isinstance(read, Command):
        raise UsageError("it only prints a help")
    return read


def _capture(each: Any) -> Any:
    names = {parameter.name: parameter.opts[0] for parameter in each.params}
    return lambda **given: Command(each.name, {names[key]: value for key, value in given.items()})


# --- rules ---------------------------------------------------------------------------------------------------------


def entry_points(view: View) -> Iterator[Finding]:
    """Wheel tasks that start what this project's wheel does not hold."""
    project = pyproject(view.bundle.root)
    for task, keys, written in _of_kind(view, "python_wheel_task"):
        if _normal(str(written.get("package_name"))) != _normal(project["name"]):
            yield Finding((*keys, "package_name"), f"the wheel is called {project['name']}: write that")
        if written.get("entry_point") not in project["scripts"]:
            scripts = ", ".join(project["scripts"])
            yield Finding((*keys, "entry_point"), f"no script of pyproject.toml, which has {scripts}")
        if "named_parameters" in written and "parameters" in written:
            yield Finding(keys, f"{task.name} has parameters of both kinds: keep one")


def command_lines(view: View) -> Iterator[Finding]:
    """Command lines that the program refuses."""
    for task in _programs(view):
        for app, words in _starts(view, task):
            try:
                parse(app, words)
            except UsageError as error:
                yield Finding(_place(task), f"{' '.join(words[:1])}: {error}")


def files(view: View) -> Iterator[Finding]:
    """Scripts, notebooks and settings files that are not there, or not deployed."""
    for kind, key in FILES.items():
        for task, keys, _ in _of_kind(view, kind):
            file = task_file(view, task)
            if not file.is_file() or not synced(view, file):
                yield Finding((*keys, key), f"no file {file.name} there is deployed: the path is from this file")
    for task, read in _commands(view):
        config = read.options.get("--config")
        if config is not None and not (_local(view, config).is_file() and synced(view, _local(view, config))):
            yield Finding(_place(task), f"--config {config}: no such file is deployed")


def synced(view: View, file: Path) -> bool:
    """Whether a file of the project is among those that `sync` sends."""
    chosen = view.merged.get("sync") or {}
    if not file.is_relative_to(view.bundle.root):
        return False
    name = file.relative_to(view.bundle.root)
    inside = any(name.is_relative_to(path) for path in chosen.get("paths") or ["."])
    excluded = any(name.match(pattern) for pattern in chosen.get("exclude") or ())
    return (inside and not excluded) or any(name.match(pattern) for pattern in chosen.get("include") or ())


def notebooks(view: View) -> Iterator[Finding]:
    """Notebooks that ask for parameters which they are not given."""
    for task, keys, written in _of_kind(view, "notebook_task"):
        given = (written.get("base_parameters") or {}).keys() | task.job.parameters.keys()
        for name in sorted(set(WIDGET.findall(_source(view, task))) - given):
            yield Finding((*keys, "base_parameters", name), "missing: the notebook asks for it")


def values(view: View) -> Iterator[Finding]:
    """Task values that nobody sets."""
    for job in view.jobs(resolved=True):
        setters = {task.name: set(VALUE.findall(_source(view, task))) for task in job.hosts()}
        for task in job.tasks():
            for keys, text in task.texts():
                for name, value in READ_VALUE.findall(text):
                    if name in upstream(task) and value not in setters.get(name, ()):
                        yield Finding(keys, f"{name} sets no value {value}: only a notebook's taskValues.set can")


def _source(view: View, task: Task) -> str:
    """The text of a notebook, "" for other tasks."""
    file = task_file(view, task) if "notebook_task" in task.written else None
    return file.read_text(encoding="utf-8") if file and file.is_file() else ""


def loops(view: View) -> Iterator[Finding]:
    """Inputs of a for_each_task that are no list, and keys that an input has not."""
    for task in (task for job in view.jobs(resolved=True) for task in job.tasks() if task.around):
        known = parameters(task)
        try:
            items = inputs(task, known)
        except ValueError as error:
            text = replace(str(at(task.around.written, ("for_each_task", "inputs"))), known) if task.around else ""
            if not DYNAMIC.search(text):
                yield Finding((*task.keys[:-1], "inputs"), f"{text!r} is no list of JSON: {error}")
            continue
        for keys, text in task.texts():
            for name in DYNAMIC.findall(text):
                if name.startswith("input.") and any(name not in item for item in items):
                    yield Finding(keys, f"{{{{{name}}}}}: an input has no such key")


def places(view: View) -> Iterator[Finding]:
    """Options that lead to the disk of one task's computer, which no other task sees, or into a foreign volume."""
    volumes = made(view, "volumes", "volume_path")
    for task, read in _commands(view):
        for option, value in read.options.items():
            if isinstance(value, Path) and not str(value).startswith(SHARED):
                yield Finding(_place(task), f"{option} {value} is lost with the task: give a path in a volume")
            elif str(value).startswith("/Volumes/") and not any(_below(str(value), path) for path in volumes):
                yield Finding(_place(task), f"{option} {value} is in no volume of this bundle: use its path")


def settings(view: View) -> Iterator[Finding]:
    """Settings that nobody reads, runs and models recorded elsewhere than in this bundle, and trainings on another
    machine than the settings ask for.
    """
    load = cache(_sister(view, "settings").load)
    for task, read in _commands(view):
        config = read.options.get("--config")
        if config is None or not _local(view, config).is_file():
            continue
        words = [word for text in read.options.get("--set") or () for word in _words(text)]
        try:
            loaded = load(_local(view, config), tuple(shlex.quote(word) for word in words if "{{" not in word))
        except _sister(view, "errors").PipelineError as error:
            yield Finding(_place(task), f"--set: {error}")
            continue
        late = [word.partition("=")[0] for word in words if "{{" in word and "=" in word]
        problems = [f"--set: unknown setting {key}" for key in late if key not in loaded.flat()]
        yield from (Finding(_place(task), problem) for problem in (*problems, *_elsewhere(view, loaded)))
        if read.name == "train":
            yield from (Finding((*task.keys, "compute"), problem) for problem in _machine(task, loaded.compute))


def _machine(task: Task, asked: Any) -> Iterator[str]:
    """What a training's machine has otherwise than the settings ask for. A cluster of one's own is not judged."""
    if {"job_cluster_key", "existing_cluster_id", "new_cluster"} & task.written.keys():
        return
    given = str(at(task.written, ("compute", "hardware_accelerator")) or "no GPU")
    match = GPUS.match(given)
    gpus = int(match[1]) if match else 0
    if (asked.accelerator == "gpu") != bool(gpus):
        mend = "remove it or write gpu" if gpus else "give it a hardware_accelerator in this target or write cpu"
        yield f"{given}, and compute.accelerator is {asked.accelerator} in config/: {mend}"
    elif gpus and asked.processes != gpus:
        yield f"{given}, and compute.processes is {asked.processes} in config/: write {gpus}, one for each GPU"


def _words(text: str) -> list[str]:
    """The pairs in a --set, a {{...}} as one word."""
    try:
        return shlex.split(DYNAMIC.sub(lambda match: f"{{{{{match[1]}}}}}", text))
    except ValueError:  # an open quote, which the settings refuse too
        return [text]


def _elsewhere(view: View, loaded: Any) -> Iterator[str]:
    if loaded.tracking.uri != "databricks":
        yield "--set tracking.uri=databricks is missing: the runs would be lost with the task"
    if loaded.tracking.experiment not in made(view, "experiments", "name"):
        yield f"tracking.experiment {loaded.tracking.experiment} is none of this bundle: ${{resources.experiments...}}"
    if loaded.registry.name not in made(view, "registered_models", "id"):
        yield f"registry.name {loaded.registry.name} is no model of this bundle: ${{resources.registered_models...}}"


def _sister(view: View, module: str) -> Any:
    """A module beside the one that holds the console script's function."""
    (function, *_) = pyproject(view.bundle.root)["scripts"].values()
    return importlib.import_module(f"{function.partition(':')[0].rpartition('.')[0]}.{module}")


def _of_kind(view: View, kind: str) -> Iterator[tuple[Task, tuple[str, ...], Mapping[str, Any]]]:
    for job in view.jobs(resolved=True):
        for task in job.tasks():
            if isinstance(task.written.get(kind), dict):
                yield task, (*task.keys, kind), task.written[kind]


def _programs(view: View) -> list[Task]:
    """The tasks that run a program with a command line."""
    scripts = [task for kind in ("python_wheel_task", "spark_python_task") for task, _, _ in _of_kind(view, kind)]
    return scripts + [task for task, _, _ in _of_kind(view, "notebook_task") if command_line(task)]


def _place(task: Task) -> tuple[str, ...]:
    """The key path of a task's command line."""
    if "notebook_task" in task.written:
        return (*task.keys, "notebook_task", "base_parameters", SCRIPT)
    kind = "python_wheel_task" if "python_wheel_task" in task.written else "spark_python_task"
    return (*task.keys, kind, "parameters")


def _starts(view: View, task: Task) -> Iterator[tuple[typer.Typer, tuple[str, ...]]]:
    """The program of a task with the words of each start; nothing when there is no such program."""
    root = view.bundle.root
    if "spark_python_task" in task.written:
        file = task_file(view, task)
        app = script(file) if file.is_file() else None
    else:
        name = at(task.written, ("python_wheel_task", "entry_point")) or SCRIPT
        app = program(root, name) if name in pyproject(root)["scripts"] else None
    if app is not None:
        yield from ((app, words) for words in turns(task))


def _commands(view: View) -> Iterator[tuple[Task, Command]]:
    """Each command line that its parser accepts, with its task."""
    for task in _programs(view):
        for app, words in _starts(view, task):
            try:
                yield task, parse(app, words)
            except UsageError:
                continue


def task_file(view: View, task: Task) -> Path:
    """Where the script or notebook of a task is in the project: named from the file that names it, or as deployed."""
    text = next(str(task.written[kind].get(key)) for kind, key in FILES.items() if kind in task.written)
    from_here = view.bundle.root / Path(view.bundle.file(task.job.keys)).parent / text
    return Path(os.path.normpath(_local(view, text) if text.startswith("/") else from_here))


def _local(view: View, path: object) -> Path:
    """A path of the deployed files, in the project; any other as it is."""
    deployed = str(at(view.resolved, ("workspace", "file_path")))
    return view.bundle.root / str(path)[len(deployed) :].lstrip("/") if _below(str(path), deployed) else Path(str(path))


def _below(path: str, folder: str) -> bool:
    return bool(folder) and (path == folder or path.startswith(f"{folder}/"))


def made(view: View, kind: str, field: str) -> list[str]:
    """A field of each resource of a kind, resolved or computed; with the field id their full names."""
    keys = [("resources", kind, name, field) for name in at(view.resolved, ("resources", kind)) or ()]
    return [str(at(view.resolved, each) or computed(view.resolved, each)) for each in keys]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


RULES = (entry_points, command_lines, files, notebooks, values, loops, places, settings)
