"""Print how long the things take that people wait for. Judges nothing: figures depend on the machine, so compare within one run.

nox -s benchmark                  renders and a fresh project
nox -s benchmark -- --renders     renders only, half a minute
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import conftest
from conftest import IDENTITY, commit_all, copy_working_tree, render, render_all, render_without_git, tree, variants

Action = Callable[[], object]


def seconds(action: Action) -> float:
    """How long one call takes, on the wall clock."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def show(label: str, action: Action, repeat: int = 1) -> None:
    """Run an action some times and print the fastest, the median and the slowest."""
    taken = [seconds(action) for _ in range(repeat)]
    print(f"{label:58} {min(taken):8.2f} {statistics.median(taken):8.2f} {max(taken):8.2f} s   {repeat}x", flush=True)


def run(folder: Path, *command: str) -> None:
    """Run a command in a project, and stop the benchmark with its output when it fails."""
    environment = {
        name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"}
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}")


def command_line(source: Path, to: Path) -> None:
    """Render as a user does, in a process of its own."""
    answers = [f"--data={name}={value}" for name, value in IDENTITY.items()]
    run(to.parent, sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", *answers, str(source), str(to))


def fresh(scratch: Path) -> Path:
    """A folder that does not exist yet."""
    return Path(tempfile.mkdtemp(dir=scratch)) / "project"


def benchmark_renders(plain: Path, released: Path, scratch: Path) -> None:
    """One project in each way, then all variants in a pool."""
    show("copier copy, a process, git source", lambda: command_line(released, fresh(scratch)), 5)
    show("copier copy, a process, plain source", lambda: command_line(plain, fresh(scratch)), 5)
    show("one render in this process, plain source", lambda: render(plain, fresh(scratch), IDENTITY), 5)
    show(
        "one render in this process, plain source, git hidden",
        lambda: render_without_git(plain, fresh(scratch), IDENTITY),
        5,
    )
    start = time.perf_counter()
    render_all(plain, fresh(scratch))
    taken = time.perf_counter() - start
    print(
        f"{'all variants in a pool':58} {taken:8.2f} s   {len(variants())} variants, {1000 * taken / len(variants()):.0f} ms each"
    )


def benchmark_project(project: Path) -> None:
    """The first hour of a user: install, train for the first time and again, score, monitor, test."""
    show("uv lock (asks the registry)", lambda: run(project, "uv", "lock"))
    show("uv sync with that lock, files compiled", lambda: run(project, "uv", "sync", "--compile-bytecode"))
    show("pipeline run, cold (first start of every library)", lambda: run(project, "uv", "run", "pipeline", "run"))
    show("pipeline run, warm, against the champion", lambda: run(project, "uv", "run", "pipeline", "run"), 3)
    show("pipeline score", lambda: run(project, "uv", "run", "pipeline", "score"), 3)
    show("pipeline monitor", lambda: run(project, "uv", "run", "pipeline", "monitor"), 3)
    show("the project's tests", lambda: run(project, "uv", "run", "poe", "test"), 3)
    show("lint, types and tests", lambda: run(project, "uv", "run", "poe", "check"))


def main() -> None:
    """Print one line a figure: fastest, median, slowest, number of runs."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        plain = copy_working_tree(scratch / "plain")
        released = copy_working_tree(scratch / "released")
        commit_all(released, "v1.0.0")
        files = tree(render(plain, fresh(scratch), IDENTITY))
        print(
            f"{len(files)} files a project, {sum(map(len, files.values())) / 1024:.0f} KiB; {os.cpu_count()} processors"
        )
        print(f"{'':58} {'fastest':>8} {'median':>8} {'slowest':>8}")
        benchmark_renders(plain, released, scratch)
        if "--renders" not in sys.argv[1:]:
            for answers in ({"task": task} for task in conftest.offered("task")):
                print(f"\n{answers['task']}")
                benchmark_project(render(plain, fresh(scratch), IDENTITY | answers))


if __name__ == "__main__":
    main()
