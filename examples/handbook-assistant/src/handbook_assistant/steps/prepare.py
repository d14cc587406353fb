"""Read documents, check questions, and split those.

A question's part follows from its id alone, never from chance. Attacks are all for testing. Documents whose bytes
have not changed since the last time are not read again.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .. import ingest, questions, rows, schema, splits
from ..errors import InputError
from ..folders import writing
from ..progress import counter, say, stage
from ..settings import Settings


def prepare(source: Path, data: Path, settings: Settings) -> None:
    """Write documents, and questions for training, validation and test, with what was set aside of both.

    Raises:
        InputError: documents or questions can't be read, too many don't fit, or a part would be unusable.
    """
    with stage("prepare: questions"):
        checked = rows.check(questions.golden(settings.prepare.golden), schema.ROWS)
        rows.within_budget(checked, settings.prepare.rejected_at_most, settings.prepare.golden)
        parts = splits.split(checked.good, settings.prepare)
        parts["test"] = _with_attacks(parts["test"], settings.prepare.attacks)
    with counter("prepare: documents") as count:
        corpus = ingest.read(source, ingest.known(data), count)
    _within_budget(corpus, settings.prepare.rejected_at_most, source)
    with writing(data) as folder:
        for name, part in {**parts, "rejected": checked.rejected}.items():
            part.to_parquet(folder / f"{name}.parquet", index=False)
        ingest.write(corpus, folder)
    sizes = " · ".join(f"{name} {len(part)}" for name, part in parts.items())
    say(f"prepare: questions: {sizes} · rejected {len(checked.rejected)}")
    found, bad = len(corpus.documents), len(corpus.rejected)
    say(f"prepare: documents: {found}, of which {corpus.read} were read anew · rejected {bad}, in {data}")
    for one in corpus.rejected:
        say(f"prepare: {one.id} is set aside: {one.reason}")


def _with_attacks(test: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The questions for testing, and the attacks.

    Raises:
        InputError: an attack is not what it should be, or has the id of a question.
    """
    both = rows.check(pd.concat([test, questions.attacks(path)], ignore_index=True), schema.ROWS)
    if len(both.rejected):
        first = both.rejected.iloc[0]
        raise InputError(f"{path}: {first[schema.ID]}: {first[rows.REASON]}; mend the line")
    return both.good


def _within_budget(corpus: ingest.Corpus, at_most: float, source: Path) -> None:
    """Refuse a source of which too much can't be read: answers would be missing, and nobody would know.

    Raises:
        InputError: with the share and the first reason.
    """
    bad, total = len(corpus.rejected), len(corpus.rejected) + len(corpus.documents)
    if corpus.documents and bad <= at_most * total:
        return
    first = corpus.rejected[0]
    raise InputError(
        f"{bad} of {total} files of {source} are no documents (allowed: {at_most:.0%}), the first is {first.id}: "
        f"{first.reason}; mend or remove them, or change prepare.rejected_at_most"
    )
