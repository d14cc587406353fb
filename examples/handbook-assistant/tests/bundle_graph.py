"""Finds what the bundle's JSON schema and databricks-bundles accept and the deployment or the run then refuses.

Neither follows a reference, and both pass a misspelt `mode`; what a task runs they do not know at all. So the bundle
is checked here as it would be deployed to each target, offline: words, types, references, the graph of each job,
the command line of each task (bundle_commands.py), and what this project never wants to deploy.

Run: python tests/bundle_graph.py     exit code 0 sound, 1 findings, 2 not readable as a bundle
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import bundle_commands
from bundle import KEYED, USER, Bundle, Document, Keys, UnreadableError, at, computed, read, references, walk
from bundle_view import DYNAMIC, DYNAMIC_KNOWN, Finding, Task, View, named, upstream

WORDS: dict[Keys, str] = {
    (): "bundle include artifacts variables permissions presets resources targets run_as workspace sync scripts "
    "python experimental",
    ("bundle",): "name engine databricks_cli_version uuid git deployment compute_id cluster_id",
    ("presets",): "name_prefix trigger_pause_status tags jobs_max_concurrent_runs source_linked_deployment "
    "artifacts_dynamic_version pipelines_development",
    ("workspace",): "host profile root_path file_path artifact_path state_path resource_path auth_type client_id "
    "azure_client_id azure_tenant_id azure_resource_id azure_use_msi azure_environment account_id workspace_id",
    ("sync",): "include exclude paths",
    ("variables", "*"): "default description type lookup",
    ("artifacts", "*"): "type build path dynamic_version files executable",
    ("targets", "*"): "mode default workspace git run_as variables presets permissions resources artifacts sync bundle "
    "compute_id cluster_id",
}
# What else a target has of its own.
WORDS |= {("targets", "*", *keys): WORDS[keys] for keys in (("presets",), ("workspace",), ("sync",), ("bundle",))}

VALUES: dict[Keys, str] = {
    ("targets", "*", "mode"): "development production",
    ("bundle", "engine"): "direct terraform",
    ("presets", "trigger_pause_status"): "PAUSED UNPAUSED",
    ("targets", "*", "presets", "trigger_pause_status"): "PAUSED UNPAUSED",
    ("artifacts", "*", "type"): "whl jar",
}

CONTEXT = {
    "bundle": "name target environment mode uuid git.branch git.commit git.origin_url",
    "workspace": "host root_path file_path artifact_path state_path resource_path current_user.userName "
    "current_user.short_name current_user.domain_friendly_name",
}
# How a caller signs in is the caller's: DATABRICKS_HOST and the sign-in of Azure.
SIGN_IN = {word for word in WORDS[("workspace",)].split() if not word.endswith("_path")}
TOKEN = re.compile(r"\bdapi[0-9a-f]{16,}|\bdose[0-9a-f]{16,}|https://[\w.-]+\.azuredatabricks\.net")
# These cannot run as somebody else than who deploys them.
OWNED = ("quality_monitors", "model_serving_endpoints", "apps")
ONCE = ("evaluate", "register", "run")


def lint(root: Path) -> list[str]:
    """All findings in the bundle of a project, one line each, empty when it is sound.

    Raises:
        UnreadableError: the files are no bundle.
    """
    bundle = read(root)
    found: dict[Finding, list[str]] = {finding: [] for rule in WRITTEN for finding in rule(bundle)}
    for target in bundle.targets:
        view = View(bundle, target)
        for finding in (finding for rule in DEPLOYED for finding in rule(view)):
            found.setdefault(finding, []).append(target)
    return [_line(bundle, finding, targets) for finding, targets in found.items()]


def _line(bundle: Bundle, finding: Finding, targets: list[str]) -> str:
    where = f" (target {', '.join(targets)})" if 0 < len(targets) < len(bundle.targets) else ""
    return f"{bundle.file(finding.keys)}: {finding.path}: {finding.message}{where}"


# --- the files as they are written ---------------------------------------------------------------------------------


def words(bundle: Bundle) -> Iterator[Finding]:
    """Keys that a bundle does not know, where the JSON schema looks away."""
    for keys, value in walk(bundle.whole):
        known = _lookup(WORDS, keys)
        for key in value if known and isinstance(value, dict) else ():
            if str(key) not in known:
                yield Finding((*keys, str(key)), f"no such key{_near(str(key), known)}")


def values(bundle: Bundle) -> Iterator[Finding]:
    """Words that are none of the few that are allowed."""
    for keys, value in walk(bundle.whole):
        known = _lookup(VALUES, keys)
        if known and value not in known:
            yield Finding(keys, f"{value!r} is no {keys[-1]}: write {' or '.join(known)}")


def _lookup(table: Mapping[Keys, str], keys: Keys) -> list[str]:
    """The words for a key path; a * in the table stands for any key."""
    for pattern, text in table.items():
        if len(pattern) == len(keys) and all(part in ("*", key) for part, key in zip(pattern, keys, strict=True)):
            return text.split()
    return []


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f": {close[0]}?" if close else f": remove it, or write one of {', '.join(sorted(known))}"


def nothing(bundle: Bundle) -> Iterator[Finding]:
    """Keys without a value: PyDABs takes them for absent ones, the command line warns, and neither is meant."""
    for keys, value in walk(bundle.whole):
        if value is None:
            yield Finding(keys, "has no value: give it one or remove the key")


def includes(bundle: Bundle) -> Iterator[Finding]:
    """Patterns that match no file, and files beside the included ones that no pattern matches."""
    for pattern in bundle.whole.get("include") or ():
        if not list(bundle.root.glob(pattern)):
            yield Finding(("include",), f"no file matches {pattern}: add one or remove the pattern")
    folders = {(bundle.root / name).parent for name in bundle.files if "/" in name}
    for file in sorted(file for folder in folders for file in folder.glob("*.y*ml")):
        name = file.relative_to(bundle.root).as_posix()
        if name not in bundle.files:
            yield Finding(("include",), f"{name} is not included: add a pattern that matches it")


def twice(bundle: Bundle) -> Iterator[Finding]:
    """A resource key that stands twice, in two kinds too (`bundle run` could not tell them apart), and list items of
    one file with the same key, which become one without a word.
    """
    counted = Counter(
        key
        for content in bundle.files.values()
        for resources in (content.get("resources") or {}).values()
        for key in resources
    )
    for keys, _ in walk(bundle.whole):
        if len(keys) == 3 and keys[0] == "resources" and counted[keys[2]] > 1:
            yield Finding(keys, f"{keys[2]} is the key of {counted[keys[2]]} resources: give each its own")
    for content in bundle.files.values():
        for keys, value in walk(content):
            key = KEYED.get(keys[-1]) if keys and isinstance(value, list) else None
            items = Counter(str(item.get(key)) for item in value if isinstance(item, dict)) if key else Counter()
            for item in (item for item, count in items.items() if count > 1):
                yield Finding(keys, f"two items have the {key} {item}: give each its own")


def braces(bundle: Bundle) -> Iterator[Finding]:
    """Opened and not closed, or closed around what is no reference: both are passed on as plain text."""
    for keys, value in walk(bundle.whole):
        if isinstance(value, str):
            opened = len(re.findall(r"(?<!\$)\$\{", value))
            if opened != len(references(value)):
                yield Finding(keys, f"{value!r} holds a ${{ that is no reference: close it as in ${{var.name}}")
            if value.count("{{") != len(DYNAMIC.findall(value)):
                yield Finding(keys, f"{value!r} holds a {{{{ that is not closed: close it with }}}}")


def unused(bundle: Bundle) -> Iterator[Finding]:
    """Variables that nothing reads."""
    read_by_something = {name for _, value in walk(bundle.whole) for name in references(value)}
    for name in bundle.whole.get("variables") or {}:
        if not any(reference.split(".")[:2] == ["var", name] for reference in read_by_something):
            yield Finding(("variables", name), "nothing uses it: remove it")


def default_target(bundle: Bundle) -> Iterator[Finding]:
    """The one target of a command without --target."""
    targets = bundle.whole.get("targets") or {}
    chosen = [name for name, target in targets.items() if (target or {}).get("default")]
    if len(chosen) != 1:
        yield Finding(("targets",), f"{len(chosen)} targets are the default: set `default: true` on one")


def sign_in(bundle: Bundle) -> Iterator[Finding]:
    """A workspace or a credential in a file that everybody reads."""
    for keys, value in walk(bundle.whole):
        if keys[-2:-1] == ("workspace",) and len(keys) in (2, 4) and keys[-1] in SIGN_IN:
            yield Finding(keys, "names a workspace or an identity: leave it to DATABRICKS_HOST and the sign-in")
        elif isinstance(value, str) and TOKEN.search(value):
            yield Finding(keys, "looks like a token or a workspace: leave it to the environment of who deploys")


# --- types and references, as each target has them -----------------------------------------------------------------


def types(view: View) -> Iterator[Finding]:
    """What databricks-bundles refuses, and what it reads as something else."""
    for keys, resource in view.resources():
        kind = resource_class(keys[1])
        if kind is None:
            yield Finding(keys[:2], "no such kind of resource")
        else:
            yield from _typed(keys, resource, kind)


@cache
def resource_class(kind: str) -> Any:
    """The class of databricks-bundles for a kind of resources, None for an unknown kind."""
    from databricks.bundles.core import Resource

    try:
        module = importlib.import_module(f"databricks.bundles.{kind}")
    except ImportError:
        return None
    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Resource)]
    return next((found for found in classes if found is not Resource), None)


def _typed(keys: Keys, resource: Document, kind: Any) -> Iterator[Finding]:
    from databricks.bundles.jobs import Task as JobTask

    parts = [((*keys, "tasks", f"[{task.get('task_key')}]"), task) for task in resource.get("tasks") or ()]
    # Of a resource the first mistake is told, so tasks are asked one by one.
    wrong = [(place, _refusal(JobTask, part)) for place, part in parts] if keys[1] == "jobs" else []
    refused = [found for found in wrong if found[1]] or [(keys, _refusal(kind, resource))]
    yield from (Finding(place, message) for place, message in refused if message)
    if not any(message for _, message in refused):
        yield from _misread(keys, resource, kind.from_dict(resource).as_dict())


def _refusal(kind: Any, written: Document) -> str:
    try:
        kind.from_dict(written)
    except (ValueError, TypeError, AttributeError) as error:
        return f"{error}".replace(f"{kind.__name__}.__init__() ", "")
    return ""


def _misread(keys: Keys, written: Any, understood: Any) -> Iterator[Finding]:
    """Values that were read as something else, such as a mapping as a text."""
    if isinstance(written, dict) and isinstance(understood, dict):
        for key in written.keys() & understood.keys():
            yield from _misread((*keys, key), written[key], understood[key])
    elif isinstance(written, list) and isinstance(understood, list) and len(written) == len(understood):
        for index, pair in enumerate(zip(written, understood, strict=True)):
            yield from _misread((*keys, f"[{index}]"), *pair)
    elif isinstance(written, dict | list) or str(written).lower() != str(understood).lower():
        yield Finding(keys, f"{written!r} would be read as {understood!r}: write a {type(understood).__name__}")


def known(view: View) -> Iterator[Finding]:
    """References that lead nowhere."""
    for keys, value in walk(view.merged):
        for reference in references(value):
            problem = _problem(view.merged, tuple(reference.split(".")))
            if problem:
                yield Finding(keys, f"${{{reference}}}: {problem}")


def _problem(document: Document, keys: Keys) -> str | None:
    root, rest = keys[0], ".".join(keys[1:])
    if root == "var":
        return _variable_problem(document, keys)
    if root == "resources":
        return _resource_problem(document, keys)
    if root not in CONTEXT:
        return f"there is no {root}: begin with var, resources, bundle or workspace"
    return None if rest in CONTEXT[root].split() else f"{root} has no {rest}{_near(rest, CONTEXT[root].split())}"


def _variable_problem(document: Document, keys: Keys) -> str | None:
    variables = document.get("variables") or {}
    if len(keys) < 2 or keys[1] not in variables:
        return f"no such variable{_near('.'.join(keys[1:2]), variables)}"
    declared = variables[keys[1]] or {}
    return None if {"default", "lookup"} & declared.keys() else "it has no value: give a default, or one in this target"


def _resource_problem(document: Document, keys: Keys) -> str | None:
    if at(document, keys[:3]) is None or len(keys) < 3:
        return "no such resource"
    if len(keys) == 3:
        return "names no field: add one, such as .id"
    given = at(document, keys) is not None or computed(document, keys) is not None or keys[3:] == ("id",)
    return None if given else f"the resource has no {'.'.join(keys[3:])}: set it there or name another field"


# --- the graph of a job --------------------------------------------------------------------------------------------


def dependencies(view: View) -> Iterator[Finding]:
    """Tasks that wait for what is not there, and outcomes of tasks that have none."""
    for job in view.jobs():
        tasks = {task.name: task for task in job.hosts()}
        for task in tasks.values():
            for dependency in task.written.get("depends_on") or ():
                name, outcome = dependency.get("task_key"), dependency.get("outcome")
                where = (*task.keys, "depends_on", f"[{name}]")
                if name not in tasks:
                    yield Finding(where, f"the job has no task {name}{_near(str(name), tasks)}")
                elif outcome is not None and "condition_task" not in tasks[name].written:
                    yield Finding(where, f"{name} is no condition_task and has no outcome: remove it")
                elif outcome is not None and str(outcome) not in ("true", "false"):
                    yield Finding(where, f'the outcome {outcome!r} never comes: write "true" or "false"')


def circles(view: View) -> Iterator[Finding]:
    """Tasks that wait for each other, and jobs that start each other."""
    for job in view.jobs():
        circle = _circle({task.name: named(task) for task in job.hosts()})
        if circle:
            yield Finding((*job.keys, "tasks"), f"they wait for each other, {circle}")
    started = {job.name: {_job_of(task) for task in job.tasks()} - {""} for job in view.jobs()}
    circle = _circle(started)
    if circle:
        yield Finding(("resources", "jobs"), f"they start each other, {circle}")


def _circle(graph: Mapping[str, Iterable[str]]) -> str:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " -> ".join(error.args[1])
    return ""


def _job_of(task: Task) -> str:
    """The resource key of the job that a task starts, "" for other tasks and for what is no reference to a job."""
    match = re.fullmatch(r"\$\{resources\.jobs\.([\w-]+)\.id\}", str(at(task.written, ("run_job_task", "job_id"))))
    return match[1] if match else ""


def started_jobs(view: View) -> Iterator[Finding]:
    """Jobs by number, which each target has another of, and parameters that the started job does not know."""
    jobs = {job.name: job for job in view.jobs()}
    for task in (task for job in jobs.values() for task in job.tasks() if "run_job_task" in task.written):
        name = _job_of(task)
        keys = (*task.keys, "run_job_task")
        if not name:
            yield Finding((*keys, "job_id"), "name a job of this bundle: ${resources.jobs.name.id}")
        given = at(task.written, ("run_job_task", "job_parameters")) or {}
        for parameter in given if name in jobs else ():
            if parameter not in jobs[name].parameters:
                yield Finding((*keys, "job_parameters", parameter), f"the job {name} declares no such parameter")


def environments(view: View) -> Iterator[Finding]:
    """Tasks on serverless compute without a declared environment, and environments that no task uses."""
    for job in view.jobs():
        declared = [str(item.get("environment_key")) for item in job.written.get("environments") or ()]
        used = set()
        for task in job.tasks():
            key = task.written.get("environment_key")
            used.add(key)
            python = {"python_wheel_task", "spark_python_task"} & task.written.keys()
            cluster = {"job_cluster_key", "existing_cluster_id", "new_cluster"} & task.written.keys()
            if key is not None and key not in declared:
                yield Finding((*task.keys, "environment_key"), f"the job has no environment {key}")
            elif key is None and python and not cluster:
                yield Finding(task.keys, "says not where to run: give it an environment_key of the job")
        for key in declared:
            if declared.count(key) > 1:
                yield Finding((*job.keys, "environments", f"[{key}]"), "stands twice: give each its own key")
            if key not in used:
                yield Finding((*job.keys, "environments", f"[{key}]"), "no task uses it: remove it")


def wheels(view: View) -> Iterator[Finding]:
    """Wheels that no artifact of the bundle builds, and wheel tasks whose environment has none."""
    folders = {
        (view.bundle.root / str(artifact.get("path", ".")) / "dist").resolve()
        for artifact in (view.merged.get("artifacts") or {}).values()
        if artifact.get("type") == "whl"
    }
    for job in view.jobs():
        file = view.bundle.root / view.bundle.file(job.keys)
        without = set()
        for item in job.written.get("environments") or ():
            key = str(item.get("environment_key"))
            found = [text for text in at(item, ("spec", "dependencies")) or () if _is_wheel(text)]
            without |= set() if found else {key}
            for text in found:
                if (file.parent / text.partition("[")[0]).resolve().parent not in folders:
                    yield Finding(
                        (*job.keys, "environments", f"[{key}]"),
                        f"no artifact builds {text} (the path is from {view.bundle.file(job.keys)})",
                    )
        for task in job.tasks():
            key = str(task.written.get("environment_key"))
            if "python_wheel_task" in task.written and key in without:
                yield Finding(task.keys, f"its environment {key} has no wheel of this project: add ../dist/*.whl")


def requirements(view: View) -> Iterator[Finding]:
    """Lists of packages that are not among the deployed files."""
    for job in view.jobs():
        folder = (view.bundle.root / view.bundle.file(job.keys)).parent
        for item in job.written.get("environments") or ():
            for text in at(item, ("spec", "dependencies")) or ():
                file = Path(os.path.normpath(folder / str(text).removeprefix("-r ")))
                if str(text).startswith("-r ") and not bundle_commands.synced(view, file):
                    keys = (*job.keys, "environments", f"[{item.get('environment_key')}]")
                    yield Finding(keys, f"{text} is not deployed: name it in sync.include")


def _is_wheel(text: object) -> bool:
    return isinstance(text, str) and text.partition("[")[0].endswith(".whl")


def dynamic(view: View) -> Iterator[Finding]:
    """{{...}} that the service would refuse, or pass on as plain text."""
    for job in view.jobs():
        for task in job.tasks():
            for keys, text in task.texts():
                for reference in DYNAMIC.findall(text):
                    problem = _dynamic_problem(reference, task)
                    if problem:
                        yield Finding(keys, f"{{{{{reference}}}}}: {problem}")


def _dynamic_problem(reference: str, task: Task) -> str | None:
    root, _, rest = reference.partition(".")
    first, _, last = rest.partition(".")
    if root == "job" and first == "parameters":
        return None if last in task.job.parameters else f"the job declares no parameter {last}"
    if root == "tasks":
        return _task_value_problem(first, last, task)
    if root == "input":
        return None if task.iterated else "only a task inside a for_each_task has an input"
    if any(reference == entry or reference.startswith(f"{entry}.") for entry in DYNAMIC_KNOWN):
        return None
    return f"the service knows no such value{_near(reference, DYNAMIC_KNOWN)}"


def _task_value_problem(name: str, what: str, task: Task) -> str | None:
    if name not in upstream(task):
        return f"{task.host} does not wait for {name}: add it to depends_on"
    known_words = ("values.", "output.", "run_id", "result_state", "error_code", "execution_count", "notebook_path")
    return None if what.startswith(known_words) else f"a task has no {what}"


# --- what this project never deploys -------------------------------------------------------------------------------


def production(view: View) -> Iterator[Finding]:
    """A production target that two people could deploy side by side, or that everybody could overwrite."""
    path = at(view.bundle.whole, ("targets", view.target, "workspace", "root_path"))
    keys = ("targets", view.target, "workspace", "root_path")
    if view.merged.get("mode") == "production" and not path:
        yield Finding(keys, "missing: `mode: production` needs its own, so that there is one deployment")
    if str(at(view.resolved, ("workspace", "root_path"))).startswith("/Workspace/Shared"):
        yield Finding(keys, "everybody may write below /Workspace/Shared: use a folder of who deploys")


def development(view: View) -> Iterator[Finding]:
    """A development target that two people would share; the deployment refuses it."""
    if view.merged.get("mode") != "development":
        return
    path = str(at(view.resolved, ("workspace", "root_path")))
    if USER["userName"] not in path and USER["short_name"] not in path:
        keys = ("targets", view.target, "workspace", "root_path")
        yield Finding(keys, "everybody's in development: begin with ~/ or name ${workspace.current_user.short_name}")
    if at(view.merged, ("presets", "trigger_pause_status")) == "UNPAUSED":
        yield Finding(("targets", view.target, "presets"), "`mode: development` starts nothing by itself: write PAUSED")


def modes(view: View) -> Iterator[Finding]:
    """A target without a mode has neither the prefix of development nor the checks of production."""
    if "mode" not in view.merged:
        yield Finding(("targets", view.target, "mode"), "missing: write development or production")


def run_as(view: View) -> Iterator[Finding]:
    """The deployment refuses to run these as somebody else."""
    kinds = [kind for kind in OWNED if at(view.merged, ("resources", kind))]
    if "run_as" in view.merged and kinds:
        yield Finding(("run_as",), f"{', '.join(kinds)} cannot run as another identity: set run_as on the jobs instead")


def endpoints(view: View) -> Iterator[Finding]:
    """A serving endpoint needs a model version, and the first deployment has none."""
    for key in at(view.merged, ("resources", "model_serving_endpoints")) or ():
        keys = ("resources", "model_serving_endpoints", key)
        yield Finding(keys, "fails at the first deployment, there is no model yet: let the deployment job make it")


def catalogs(view: View) -> Iterator[Finding]:
    """A catalog or schema by name, which is wrong in the other targets and under the prefix of development."""
    literals = {str(value) for value in view.catalogs()}
    for keys, value in walk(view.merged.get("resources") or {}, ("resources",)):
        if not isinstance(value, str):
            continue
        if keys[-1] in ("catalog_name", "schema_name") and not references(value):
            yield Finding(keys, f"{value!r} is a literal: write ${{var...}} or ${{resources...}}")
        elif re.search(r"/Volumes/(?!\$\{)", value) or literals & set(re.split(r"[^\w-]+", value)):
            yield Finding(keys, f"{value!r} names a catalog: write ${{var...}} or ${{resources...}}")


def limits(view: View) -> Iterator[Finding]:
    """A job that could run for ever, or twice at the same time by surprise."""
    for job in view.jobs():
        for key in ("timeout_seconds", "max_concurrent_runs"):
            if not job.written.get(key):
                yield Finding((*job.keys, key), "missing or 0: say how long, and how many at a time")


def paused(bundle: Bundle) -> Iterator[Finding]:
    """A schedule that starts with the first deployment; a target that wants that says so."""
    common = at(bundle.whole, ("presets", "trigger_pause_status"))
    for keys, value in walk(bundle.whole.get("resources") or {}, ("resources",)):
        starts = keys[1:2] == ("jobs",) and len(keys) == 4 and keys[3] in ("schedule", "trigger", "continuous")
        if starts and (at(value, ("pause_status",)) or common) != "PAUSED":
            yield Finding(keys, "starts with the deployment: write PAUSED here or in presets")


def once(view: View) -> Iterator[Finding]:
    """A gate that is asked until it agrees, and a model that is registered or deployed twice.

    Serverless compute retries by itself unless it is told not to.
    """
    for job in view.jobs():
        for task in job.tasks():
            if "model_version" not in job.parameters and bundle_commands.command(task) not in ONCE:
                continue
            if task.written.get("condition_task") or task.written.get("run_job_task"):
                continue
            if task.written.get("max_retries") != 0:
                yield Finding((*task.keys, "max_retries"), "write 0: what it decides it decides once")
            if task.written.get("environment_key") and task.written.get("disable_auto_optimization") is not True:
                yield Finding(
                    (*task.keys, "disable_auto_optimization"), "write true: serverless compute retries otherwise"
                )


def deployment_job(view: View) -> Iterator[Finding]:
    """Unity Catalog starts only such a job for a new version."""
    for job in view.jobs():
        if {"model_name", "model_version"} <= job.parameters.keys() and job.written.get("max_concurrent_runs") != 1:
            yield Finding((*job.keys, "max_concurrent_runs"), "write 1: a deployment job runs one at a time")


def grants(view: View) -> Iterator[Finding]:
    """Grants to nobody, or of nothing."""
    for keys, resource in view.resources():
        for index, grant in enumerate(resource.get("grants") or ()):
            for key in ("principal", "privileges"):
                if not grant.get(key):
                    yield Finding((*keys, "grants", f"[{index}]", key), "missing or empty: the deployment refuses it")


WRITTEN: tuple[Callable[[Bundle], Iterator[Finding]], ...] = (
    words,
    values,
    nothing,
    includes,
    twice,
    braces,
    unused,
    default_target,
    sign_in,
    paused,
)
DEPLOYED: tuple[Callable[[View], Iterator[Finding]], ...] = (
    types,
    known,
    dependencies,
    circles,
    started_jobs,
    environments,
    wheels,
    requirements,
    dynamic,
    production,
    development,
    modes,
    run_as,
    endpoints,
    catalogs,
    limits,
    once,
    deployment_job,
    grants,
    *bundle_commands.RULES,
)


def main() -> int:
    """Check the bundle of this project; the exit code."""
    root = Path(__file__).resolve().parent.parent
    try:
        findings = lint(root)
    except UnreadableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(findings) or "the bundle is sound in every target")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
