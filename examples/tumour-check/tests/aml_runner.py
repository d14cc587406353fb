"""Runs a pipeline job of Azure ML on this computer: no Docker, no workspace, no network.

The job is what azure-ai-ml loaded, so it is the very graph that would be submitted. Each step runs in a copy of
its code folder without what .amlignore excludes, in the current Python environment, with its ${{...}} replaced by
local paths. It refuses a reference to what does not exist, which azure-ai-ml accepts. Of a sweep it runs the
first trial. A parallel step hands the files of its input out to two processes. The processes of a distributed step
all run on this computer, as if on the machines that it asks for.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PARENT_INPUT = re.compile(r"\$\{\{parent\.inputs\.(\w+)\}\}")
SIBLING_OUTPUT = re.compile(r"\$\{\{parent\.jobs\.(\w+)\.outputs\.(\w+)\}\}")
PLACEHOLDER = re.compile(r"\$\{\{(inputs|outputs)\.(\w+)\}\}")
OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
# The tracking store of a run.
STORE = "mlflow.db"

# A worker of a parallel step: batches of files as JSON, how often a batch is tried, then the arguments of the script.
# Tells how many files failed. A file that `run` gives no entry for has failed, too.
WORKER = """
import importlib.util, json, sys, traceback
entry, batches, tries, *sys.argv[1:] = sys.argv[1:]
spec = importlib.util.spec_from_file_location("entry", entry)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.init()
failed = 0
for batch in json.loads(batches):
    for rest in reversed(range(int(tries))):
        try:
            failed += len(batch) - len(module.run(batch))
            break
        except Exception:
            traceback.print_exc()
            failed += 0 if rest else len(batch)
print()
print(failed)
"""
WORKERS = 2

Values = dict[str, dict[str, Any]]


class BrokenGraphError(Exception):
    """The job could not run anywhere: a reference, a name or a value is missing."""


class StepFailedError(Exception):
    """A step's command ended with another code than 0, or did not write what its output's type promises."""

    def __init__(self, step: str, code: int, message: str) -> None:
        super().__init__(f"{step}: exit {code}\n{message}")
        self.step = step
        self.code = code


class NotReadyError(Exception):
    """A step reads from one that has not run yet."""


def run(job: Any, out: Path, store: Path | None = None) -> dict[str, dict[str, Path]]:
    """Run every step of a loaded pipeline job below `out`; the output folders by step and name.

    Args:
        job: what `azure.ai.ml.load_job` returned.
        out: folder for outputs and code, a new one.
        store: a tracking store to start from, since making one takes longer than a step; it is copied.

    Raises:
        BrokenGraphError: the steps can't be put in an order, or an input has no source.
        StepFailedError: a command failed; the outputs that were written stay in `out`.
    """
    runner = _Runner(job, out.resolve())
    runner.out.mkdir(parents=True)
    if store is not None:
        shutil.copy(store, runner.out / STORE)
    waiting = list(job.jobs)
    while waiting:
        done = [name for name in waiting if runner.ran(name)]
        if not done:
            raise BrokenGraphError(f"these steps wait for each other: {waiting}")
        waiting = [name for name in waiting if name not in done]
    return runner.outputs


def command(template: str, values: Values) -> str:
    """The command with ${{...}} replaced; a $[[...]] stays when the inputs in it have a value."""

    def keep(match: re.Match[str]) -> str:
        names = PLACEHOLDER.findall(match[1])
        return match[1] if all(values[kind].get(name) is not None for kind, name in names) else ""

    return PLACEHOLDER.sub(lambda match: str(values[match[1]][match[2]]), OPTIONAL.sub(keep, template))


@dataclass
class _Runner:
    job: Any
    out: Path
    outputs: dict[str, dict[str, Path]] = field(default_factory=dict)

    def ran(self, name: str) -> bool:
        """Run a step unless it must wait for another."""
        try:
            inputs = self._inputs(name)
        except NotReadyError:
            return False
        outputs = self._outputs(name)
        self._execute(name, {"inputs": inputs, "outputs": outputs})
        self.outputs[name] = outputs
        return True

    def _inputs(self, name: str) -> dict[str, Any]:
        node, component = self.job.jobs[name], self._component(name)
        trial = {key: choice.values[0] for key, choice in (getattr(node, "search_space", None) or {}).items()}
        given = {key: self._resolve(_value(entry)) for key, entry in node.inputs.items()} | trial
        values = {key: spec.get("default") for key, spec in component.inputs.items()}
        values |= {key: value for key, value in given.items() if value is not None}
        lacking = [key for key, spec in component.inputs.items() if values[key] is None and not spec.get("optional")]
        if lacking:
            raise BrokenGraphError(f"{name}: no value for {lacking}")
        return values

    def _component(self, name: str) -> Any:
        node = self.job.jobs[name]
        return getattr(node, "trial", None) or node.component

    def _resolve(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if match := PARENT_INPUT.fullmatch(value):
            return self._pipeline_input(match[1])
        if match := SIBLING_OUTPUT.fullmatch(value):
            return self._sibling_output(match[1], match[2])
        return self._local(value)

    def _pipeline_input(self, name: str) -> Any:
        if name not in self.job.inputs:
            raise BrokenGraphError(f"the pipeline has no input {name}")
        return self._resolve(_value(self.job.inputs[name]))

    def _sibling_output(self, step: str, output: str) -> Path:
        if step not in self.job.jobs or output not in self._component(step).outputs:
            raise BrokenGraphError(f"there is no output {output} of a step {step}")
        if step not in self.outputs:
            raise NotReadyError
        return self.outputs[step][output]

    def _local(self, value: str) -> str:
        """A path made absolute from the pipeline file's folder; any other text as it is."""
        path = Path(self.job.base_path, value.removeprefix("azureml:"))
        return str(path.resolve()) if path.exists() else value

    def _outputs(self, name: str) -> dict[str, Path]:
        paths = {}
        for key, spec in self._component(name).outputs.items():
            paths[key] = self.out / name / key
            (paths[key].parent if spec.type == "uri_file" else paths[key]).mkdir(parents=True, exist_ok=True)
        return paths

    def _execute(self, name: str, values: Values) -> None:
        component = self._component(name)
        runs = getattr(component, "task", component)
        code = _snapshot(Path(component.base_path, runs.code), self.out / name / "code")
        if component.type == "parallel":
            self._parallel(name, component, values, code)
        else:
            arguments = ["bash", "-c", command(component.command, values)]
            places = _places(component.distribution, self.job.jobs[name].resources)
            self._finish(name, [self._start(name, arguments, code, place) for place in places])
        for key, spec in component.outputs.items():
            if spec.type == "mlflow_model" and not (values["outputs"][key] / "MLmodel").is_file():
                raise StepFailedError(name, 0, f"output {key} is an mlflow_model and holds no MLmodel file")

    def _parallel(self, name: str, component: Any, values: Values, code: Path) -> None:
        """Hand the files out as the service does: some a batch, the batches to whoever is free, in no order."""
        folder = Path(command(component.input_data, values))
        files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
        size = int(self.job.jobs[name].mini_batch_size)
        batches = [files[start : start + size] for start in range(0, len(files), size)]
        arguments = shlex.split(command(component.task.program_arguments, values))
        entry, tries = str(code / component.task.entry_script), str(1 + component.retry_settings.max_retries)
        started = [
            self._start(name, [sys.executable, "-c", WORKER, entry, json.dumps(share), tries, *arguments], code)
            for share in (batches[number::WORKERS] for number in range(WORKERS))
        ]
        printed = self._finish(name, started)
        failed = sum(int(text.split()[-1]) for text, _ in printed)
        if 0 <= component.error_threshold < failed:
            raise StepFailedError(name, 1, "".join(errors for _, errors in printed)[-4000:])

    def _start(
        self, name: str, arguments: list[str], code: Path, place: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        pipe, environment = subprocess.PIPE, self._environment(name) | (place or {})
        return subprocess.Popen(arguments, cwd=code, env=environment, stdout=pipe, stderr=pipe, text=True)

    def _finish(self, name: str, started: list[subprocess.Popen[str]]) -> list[tuple[str, str]]:
        """What the processes printed, once all have ended."""
        printed = [process.communicate() for process in started]
        for process, (_, errors) in zip(started, printed, strict=True):
            if process.returncode:
                raise StepFailedError(name, process.returncode, errors[-4000:])
        return printed

    def _environment(self, name: str) -> dict[str, str]:
        """What a job finds set: a tracking store, its own name, and no right to look into the workspace.

        Nor is its coverage measured: it runs a copy of the code.
        """
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AZURE_", "COVERAGE_"))}
        return kept | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.out / STORE}",
            "AZUREML_RUN_ID": name,
        }


def _places(distribution: Any, resources: Any) -> list[dict[str, str]]:
    """What the service tells each process of a distributed step; nothing where there is only one."""
    if distribution is None:
        return [{}]
    each = distribution.process_count_per_instance
    world = each * resources["instance_count"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [{"RANK": rank, "NODE_RANK": rank // each, "LOCAL_RANK": rank % each} for rank in range(world)]
    return [common | {name: str(number) for name, number in place.items()} for place in ranks]


def _value(entry: Any) -> Any:
    """What an input holds: a plain value, a path, or a ${{...}} reference."""
    data = getattr(entry, "_data", entry)
    return getattr(data, "path", data)


def _snapshot(source: Path, target: Path) -> Path:
    """Copy what the service would get of a code folder."""
    from azure.ai.ml._utils._asset_utils import get_ignore_file, get_upload_files_from_folder

    root = source.resolve()
    files: Any = get_upload_files_from_folder(str(root), ignore_file=get_ignore_file(root))
    for path, relative in files:
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target / relative)
    return target
