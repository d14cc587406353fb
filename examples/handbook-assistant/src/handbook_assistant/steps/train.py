"""Bring an index up to date, learn from known questions when to abstain, and save both as a model.

The index file stays in a folder between two runs, so that only passages that have changed are touched. One in the
cloud is changed where it is: give each environment one of its own.
"""

from __future__ import annotations

import hashlib
import inspect
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from .. import assemble, chunks, flavor, ingest, metrics, rows, schema, tracking, vectors, words
from ..chain import DEPTH, Chain
from ..folders import writing
from ..index import sqlite
from ..index.base import Changes, Index
from ..index.sqlite import SqliteIndex
from ..parameters import Train
from ..progress import counter, say, stage
from ..schema import Chunk
from ..settings import Settings

EXAMPLE_ROWS = 5
# What an index file was made with: passages of other sizes, or by other code, are other passages.
MARK = "made-with"


def train(data: Path, folder: Path, settings: Settings) -> None:
    """Write an MLflow model folder, and the validation metrics to the tracking server.

    The metric `validation_loss` (mean over the questions, lower is better) has this name in every project, for sweeps
    to minimise.

    Raises:
        InputError: prepared rows or documents are missing, or a service can't be reached.
    """
    fitting, validation = rows.prepared(data, "train"), rows.prepared(data, "validation")
    passages = _cut(data, settings.train)
    with tracking.run("train", settings.flat(), settings.tracking), tempfile.TemporaryDirectory() as scratch:
        content = Path(scratch, flavor.FOLDER)
        content.mkdir()
        changes = _indexed(passages, settings.train, content)
        say(
            f"train: {len(passages)} passages · {changes.inserted} new, {changes.changed} changed, "
            f"{changes.deleted} gone, {changes.unchanged} as they were"
        )
        with stage("train: when to abstain"):
            relevance = _relevance(assemble.index(settings.train, content), fitting)
        assemble.write(content, settings.train, relevance)
        values = _validated(assemble.read(content), validation)
        tracking.log({**values, "passages": float(len(passages)), "relevance_at_least": relevance})
        with stage("train: save"), writing(folder) as out:
            example = schema.inputs(fitting).head(EXAMPLE_ROWS)
            flavor.save(content, out, example, assemble.cost(settings.train))
    say(f"train: {_words(values)} on {len(validation)} validation questions, model in {folder}")


def _cut(data: Path, settings: Train) -> list[Chunk]:
    with counter("train: documents") as count:
        found = []
        for document in ingest.prepared(data):
            found += chunks.cut(document, settings.words, settings.overlap)
            count(1)
    return found


def _indexed(passages: list[Chunk], settings: Train, content: Path) -> Changes:
    """Make an index hold the passages, and lay its file into the model's content where it is one."""
    if settings.index != "sqlite":
        return _updated(assemble.index(settings, content), passages)
    state = settings.state
    changes = _updated(SqliteIndex(state), passages) if _is_ours(state, settings) else _built(passages, settings)
    shutil.copytree(state, content, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MARK))
    return changes


def _updated(index: Index, passages: list[Chunk]) -> Changes:
    upserts, deletes, changes = chunks.changes(index.digests(), passages)
    if upserts or deletes:
        with counter("train: index") as count:
            index.apply(_counted(upserts, count), deletes)
    return changes


def _built(passages: list[Chunk], settings: Train) -> Changes:
    mark = settings.state / MARK
    mark.unlink(missing_ok=True)
    with counter("train: index") as count:
        SqliteIndex.build(settings.state, _counted(passages, count), settings.seed)
    mark.write_text(_mark(settings), encoding="utf-8")
    return Changes(len(passages), 0, 0, 0)


def _counted(passages: Iterable[Chunk], count: Callable[[int], object]) -> Iterator[Chunk]:
    for passage in passages:
        yield passage
        count(1)


def _is_ours(state: Path, settings: Train) -> bool:
    """Whether an index file is there that this code has made with this seed."""
    mark = state / MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == _mark(settings)


def _mark(settings: Train) -> str:
    total = hashlib.sha256(str(settings.seed).encode())
    for module in (sqlite, vectors, words):
        total.update(inspect.getsource(module).encode())
    return total.hexdigest()


def _relevance(index: Index, fitting: pd.DataFrame) -> float:
    """Below which relevance of the best passage to abstain.

    Where the answerable questions lie above, and those without an answer below, more than anywhere else (Youden, Index
    for rating diagnostic tests, 1950); in the middle between two questions.
    """
    answerable = fitting[schema.TARGET].map(lambda text: schema.expected(text)["kind"] in schema.ANSWERABLE).to_numpy()
    if answerable.all() or not answerable.any():
        return assemble.RELEVANT
    best = np.array([_best(index, question, groups) for question, groups in _asked(fitting)])
    edges = np.unique(best)
    candidates = (edges[:-1] + edges[1:]) / 2 if len(edges) > 1 else edges
    gains = [float((best[answerable] >= edge).mean() - (best[~answerable] >= edge).mean()) for edge in candidates]
    return float(candidates[int(np.argmax(gains))])


def _best(index: Index, question: str, groups: list[str]) -> float:
    return max((hit.relevance for hit in index.search(question, groups, DEPTH)), default=0.0)


def _asked(frame: pd.DataFrame) -> Iterator[tuple[str, list[str]]]:
    for question, groups in zip(frame[schema.QUESTION], frame[schema.GROUPS], strict=True):
        yield question, schema.names(groups)


def _validated(model: Chain, validation: pd.DataFrame) -> dict[str, float]:
    actual = validation[schema.TARGET]
    predicted = flavor.predict(model, schema.inputs(validation))
    values = metrics.evaluate(actual, predicted)
    loss = float(metrics.row_losses(actual, predicted).mean())
    return {"validation_loss": loss} | {f"validation_{name}": value for name, value in values.items()}


def _words(values: dict[str, float]) -> str:
    told = ("validation_success", "validation_recall_at_5", "validation_answer_f1")
    return " · ".join(f"{name.removeprefix('validation_')} {values[name]:.3f}" for name in told)
