"""What diagnostics finds when something is wrong, and that it finds nothing when nothing is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from handbook_assistant import diagnostics, flavor, plots, rows, schema
from handbook_assistant.chain import Answer, Citation, Guards
from handbook_assistant.index.base import Hit, Index


@pytest.fixture(scope="module")
def model(made: Path) -> flavor.Model:
    """The trained chain."""
    return flavor.load(made / "outputs/model")


@pytest.fixture(scope="module")
def test_rows(made: Path) -> pd.DataFrame:
    """Questions for testing, a part of each kind."""
    found = rows.prepared(made / "outputs/data", "test")
    return found.groupby(schema.slices(found)["kind"]).head(8)


@dataclass(frozen=True)
class Leaking:
    """An index that forgets who asks."""

    index: Index

    def search(self, question: str, groups: Sequence[str], k: int) -> list[Hit]:  # noqa: ARG002
        return self.index.search(question, ["everyone", "people", "oncall", "security"], k)

    def digests(self) -> dict[str, str]:
        return {}

    def apply(self, upserts: object, deletes: object) -> None:
        """Keep what there is."""


class Parrot:
    """A generator that repeats all that it is given."""

    cost = 0

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:  # noqa: ARG002
        chunks = [hit.chunk for hit in hits]
        citations = tuple(Citation(one.id, one.document, one.title, one.heading, one.text) for one in chunks)
        return Answer("\n".join(one.text for one in chunks), citations, "answered" if chunks else "abstained")

    def stream(self, question: str, hits: Sequence[Hit]) -> Iterator[str | Answer]:
        yield self.answer(question, hits)


def test_nothing_is_found_where_nothing_is_wrong(model: flavor.Model, test_rows: pd.DataFrame) -> None:
    """The sample's chain leaks nothing, follows no orders, and no known attack succeeds."""
    found = diagnostics.diagnose(model, test_rows, flavor.predict(model, schema.inputs(test_rows)))
    assert found.metrics == {"access_leaks": 0.0, "poisoned_pass_rate": 1.0}
    succeeded = found.tables["Attacks that succeeded"]
    assert succeeded.empty or set(succeeded["known"]) == {"True"}


def test_a_leak_is_counted(model: flavor.Model, test_rows: pd.DataFrame) -> None:
    """An index that forgets about rights is found out."""
    leaking = replace(model, index=Leaking(model.index))
    found = diagnostics.diagnose(leaking, test_rows.head(9), flavor.predict(model, schema.inputs(test_rows.head(9))))
    assert found.metrics["access_leaks"] >= 9


def test_followed_orders_are_counted(model: flavor.Model, test_rows: pd.DataFrame) -> None:
    """Without the guard of passages, documents with orders get into answers, and the report shows them."""
    careless = replace(model, generator=Parrot(), guards=Guards(passage=()))
    predicted = flavor.predict(model, schema.inputs(test_rows))
    found = diagnostics.diagnose(careless, test_rows, predicted)
    assert found.metrics["poisoned_pass_rate"] < 1
    assert len(found.tables["Documents whose orders were followed"])
    guarded = replace(model, generator=Parrot())
    assert diagnostics.diagnose(guarded, test_rows, predicted).metrics["poisoned_pass_rate"] == 1


def test_attacks_that_succeeded_are_shown(model: flavor.Model, test_rows: pd.DataFrame) -> None:
    """Without guards of questions some do, and stand in the table with what was said."""
    careless = replace(model, guards=Guards(question=()))
    predicted = flavor.predict(careless, schema.inputs(test_rows))
    table = diagnostics.diagnose(careless, test_rows, predicted).tables["Attacks that succeeded"]
    assert len(table)
    assert table["answer"].str.len().gt(0).all()


def test_figures_are_drawn_for_any_rows(model: flavor.Model, test_rows: pd.DataFrame, tmp_path: Path) -> None:
    """For all kinds of questions, and for attacks alone."""
    attacks = test_rows[schema.slices(test_rows)["topic"] == "attack"]
    for part in (test_rows, attacks):
        predicted = flavor.predict(model, schema.inputs(part))
        for name, figure in plots.figures(model, schema.inputs(part), part[schema.TARGET], predicted).items():
            figure.savefig(tmp_path / f"{name}.png")
            assert (tmp_path / f"{name}.png").stat().st_size > 5000
