"""Print how long the things take that people wait for. Judges nothing: figures depend on the machine, so compare within one run.

nox -s benchmark                  renders, and a fresh project of each type
nox -s benchmark -- --renders     renders only, half a minute
nox -s benchmark -- --training    each type: time and accuracy of a run, speed of training beside that of its input
nox -s benchmark -- --scoring     rows once and ten times, in one process and in Spark (needs Java), some minutes
nox -s benchmark -- --index       the search index of rag at 1,000, 10,000 and 100,000 passages, some minutes
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
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


def run(folder: Path, *command: str, codes: tuple[int, ...] = (0,)) -> str:
    """Run a command in a project; what it printed. Stops the benchmark with that when it fails."""
    environment = {
        name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"}
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(command)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def used(pid: int) -> dict[str, float]:
    """MiB that a process and its descendants hold now, Java and the others apart. Shared pages count once; Linux only."""
    processes = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            name, _, rest = (path / "stat").read_text().partition(" (")[2].rpartition(") ")
            processes[int(path.name)] = (int(rest.split()[1]), name)
    family, held = {pid}, {"java": 0.0, "python": 0.0}
    for process in sorted(processes):  # a child's number is higher than its parent's, unless the numbers ran out
        parent, name = processes[process]
        if process == pid or parent in family:
            family.add(process)
            with contextlib.suppress(OSError):
                pages = (Path("/proc") / str(process) / "smaps_rollup").read_text()
                held["java" if name == "java" else "python"] += int(pages.split("Pss:")[1].split()[0]) / 1024
    return held


def watch(folder: Path, environment: Mapping[str, str], *command: str) -> tuple[float, dict[str, float]]:
    """Run a command; how long it took, and the most memory that it held."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"}}
    peak, start = {"java": 0.0, "python": 0.0}, time.perf_counter()
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            command, cwd=folder, env={**kept, **environment}, stdout=printed, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            held = used(process.pid)
            peak = {kind: max(peak[kind], held[kind]) for kind in peak}
            time.sleep(0.2)
        taken = time.perf_counter() - start
        if process.returncode:
            printed.seek(0)
            raise SystemExit(f"{' '.join(command)} exited with {process.returncode}\n{printed.read().decode()[-4000:]}")
    return taken, peak


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


@dataclass(frozen=True)
class Training:
    """A run of the pipeline: its settings, whether the gate may refuse its model, and the libraries that it can't do without."""

    options: tuple[str, ...] = ()
    may_fail: bool = False
    libraries: str = "matplotlib.figure, mlflow.pyfunc, pandera.pandas, sklearn.metrics"


# What is trained for each project type, by a name.
TRAININGS = {
    "classical": {"linear": Training(), "boosted trees": Training(("--set", "train.estimator=boosting"), True)},
    "cv": {
        "small CNN": Training(libraries=f"{Training.libraries}, onnxruntime, torch.onnx, torch._dynamo, onnxscript")
    },
    "nlp": {
        # Without skops.io, which the project imports in a way of its own: by itself it would import PyTorch as well.
        "TF-IDF": Training(libraries=f"{Training.libraries}, onnxruntime"),
        "smoke transformer": Training(
            ("--set", "train.kind=transformer"),
            True,
            f"{Training.libraries}, onnxruntime, transformers.trainer, torch.onnx, onnxscript",
        ),
    },
    "rag": {"embedded index, quotations": Training()},
}


def train_once(project: Path, training: Training) -> None:
    """Run the pipeline."""
    pipeline = str(project / ".venv/bin/pipeline")
    run(project, pipeline, "run", *training.options, codes=(0, 1) if training.may_fail else (0,))


def load_libraries(project: Path, training: Training) -> None:
    """What no run of the pipeline can be faster than: how fast the machine is at the moment can be told from it."""
    run(project, str(project / ".venv/bin/python"), "-c", f"import {training.libraries}")


def benchmark_training(project: Path, project_type: str) -> None:
    """Runs of the pipeline with the accuracy that they reach, and how near training comes to what its input allows."""
    run(project, "uv", "sync", "--compile-bytecode")
    for name, training in TRAININGS[project_type].items():
        train, load = partial(train_once, project, training), partial(load_libraries, project, training)
        train()
        show(f"{project_type}, pipeline run, warm: {name}", train, 3)
        show(f"{project_type}, nothing but importing its libraries", load, 3)
        metrics = json.loads((project / "outputs/report/metrics.json").read_text())
        gate = json.loads((project / "outputs/report/gate.json").read_text())
        verdict = "passed" if gate["passed"] else f"refused: {gate['reasons'][0]}"
        told = " · ".join(f"{key} {value:.4f}" for key, value in metrics.items() if key in TOLD)
        print(f"    {told} on {gate['rows']} test rows; the gate {verdict}", flush=True)
    if list(project.glob("src/*/throughput.py")):
        python = str(project / ".venv/bin/python")
        for line in run(project, python, "-m", "taxi_fares.throughput").splitlines():
            print(f"    {line}")


# Metrics that are told beside the time, where a project type has them.
TOLD = {
    *("accuracy", "roc_auc", "onnx_difference", "int8_loss", "behaviour_invariance", "robustness_noise"),
    *("recall_at_5", "ndcg_at_10", "answer_f1", "attack_pass_rate"),
}

# The sample again and again, in files of at most 5,000 rows; numbers a little different each time.
ROWS = """
import sys, numpy
from pathlib import Path
from taxi_fares import rows, schema
folder, count = Path(sys.argv[1]), int(sys.argv[2])
sample, random = rows.read(Path("data/raw")), numpy.random.default_rng(0)
numbers, size = sample.select_dtypes("float").columns, min(count, 50_000 if len(sample.columns) > 20 else 5_000)
folder.mkdir()
for start in range(0, count, size):
    part = sample.iloc[numpy.arange(start, start + size) % len(sample)].reset_index(drop=True)
    part[numbers] *= random.uniform(0.98, 1.02, part[numbers].shape)
    part[schema.ID] = [f"P{number:08d}" for number in range(start, start + size)]
    part.to_parquet(folder / f"{start:08d}.parquet")
"""
# Rows of each project type, ten times as many in a second round.
COUNTS = {"classical": 100_000, "cv": 20_000, "nlp": 20_000, "rag": 1_000}


def benchmark_scoring(project: Path, least: int) -> None:
    """The same rows in one process and in Spark with two workers: how fast, and whether more rows need more memory."""
    run(project, "uv", "sync", "--compile-bytecode")
    run(project, "uv", "run", "pipeline", "run")
    python = str(project / ".venv/bin/python")
    model = ("--model", "outputs/model")
    # The one process may use both processors, too; Spark's workers have a thread each.
    local = {"PYSPARK_PYTHON": python, "MASTER": "local[2]", "OMP_NUM_THREADS": "1"}
    for count in (least, 10 * least):
        source = f"rows/{count}"
        (project / "rows").mkdir(exist_ok=True)
        run(project, python, "-c", ROWS, source, str(count))
        plain = (str(project / ".venv/bin/pipeline"), "score", "--source", source)
        spark = (python, "databricks/score.py", "--source", f"{source}/", "--scored", f"scored/{count}")
        speeds = []
        for label, command, environment in (("pipeline score", plain, {}), ("databricks/score.py", spark, local)):
            taken, peak = watch(project, environment, *command, *model)
            speeds.append(count / taken)
            held = ", ".join(f"{kind} {value:.0f} MiB" for kind, value in peak.items() if value)
            print(
                f"{f'{label}, {count:,} rows':58} {taken:8.2f} s   {count / taken:,.0f} rows/s, at most {held}",
                flush=True,
            )
        print(f"{'Spark against one process':58} {speeds[1] / speeds[0]:8.2f} times as fast")


# Passages of about 150 words in the frequencies of scikit-learn's docstrings, with a tail of words of their own (Zipf's law);
# the questions are the docstrings' summaries. Then ten documents of a hundred change.
INDEX = """
import sys, tempfile, time
from collections import Counter
from pathlib import Path
sys.path.insert(0, "tests")
import numpy
from test_docstrings import documented
from taxi_fares import words
from taxi_fares.index.sqlite import SqliteIndex
from taxi_fares.schema import Chunk
known = documented()
counts = Counter(word for _, body in known.values() for word in words.words(body))
own = [f"term{number}" for number in range(30_000)]
vocabulary = numpy.array([*counts, *own])
shares = numpy.array([*counts.values(), *(min(counts.values()) * 0.5 / (numpy.arange(len(own)) / 1000 + 1))], float)
cumulative = numpy.cumsum(shares / shares.sum())
def made(n):
    random = numpy.random.default_rng(0)
    for number in range(n):
        drawn = numpy.searchsorted(cumulative, random.random(int(numpy.clip(random.lognormal(5, 0.4), 20, 600))))
        text = " ".join(vocabulary[numpy.minimum(drawn, len(vocabulary) - 1)])
        groups = ("everyone",) if number % 10 else ("people",)
        yield Chunk(f"c{number:06}", f"d{number // 8}", text[:30], "Section", text, groups, "", str(number))
def timed(action):
    start = time.perf_counter()
    found = action()
    return found, time.perf_counter() - start
for n in (1_000, 10_000, 100_000):
    chunks = list(made(n))
    with tempfile.TemporaryDirectory() as folder:
        index, built = timed(lambda: SqliteIndex.build(Path(folder), chunks))
        size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 2**20
        asked = numpy.random.default_rng(1).choice([summary for summary, _ in known.values()], 200)
        spent = [1000 * timed(lambda: index.search(str(question), ["everyone"], 20))[1] for question in asked]
        changed = [Chunk(**{**vars(chunk), "text": chunk.text + " anew"}) for chunk in chunks[:100]]
        _, delta = timed(lambda: index.apply(changed, []))
    print(f"{n:,} passages|{built:8.2f} s   {size:.0f} MiB; a search p50 {numpy.median(spent):.1f} ms, "
          f"p95 {numpy.quantile(spent, 0.95):.1f} ms; 100 changed passages {delta:.2f} s", flush=True)
"""


def benchmark_index(project: Path) -> None:
    """How long an index takes to build, to search and to change, as it grows."""
    run(project, "uv", "sync", "--compile-bytecode")
    for line in run(project, str(project / ".venv/bin/python"), "-c", INDEX).splitlines():
        name, _, told = line.partition("|")
        print(f"{f'rag, index of {name}':58} {told}", flush=True)


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
        only = {"--renders", "--training", "--scoring", "--index"} & set(sys.argv[1:])
        print(f"{'':58} {'fastest':>8} {'median':>8} {'slowest':>8}")
        if not only or "--renders" in only:
            benchmark_renders(plain, released, scratch)
        if not only or "--index" in only:
            benchmark_index(render(plain, fresh(scratch), IDENTITY | {"project_type": "rag"}))
        for project_type in conftest.offered("project_type"):
            answers = IDENTITY | {"project_type": project_type}
            if not only:
                print(f"\n{project_type}")
                benchmark_project(render(plain, fresh(scratch), answers))
            if not only or "--training" in only:
                benchmark_training(render(plain, fresh(scratch), answers), project_type)
            if "--scoring" in only:
                print(f"\n{project_type}, scoring")
                on_spark = render(plain, fresh(scratch), answers | {"platform": "databricks"})
                benchmark_scoring(on_spark, COUNTS[project_type])


if __name__ == "__main__":
    main()
