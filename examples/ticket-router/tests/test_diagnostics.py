"""Diagnostics: what they find out is true, and fits into a report."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_router import diagnostics, flavor, model, sample, schema, tokens
from ticket_router.behaviour import Predict
from ticket_router.classifier import Classifier, Tfidf
from ticket_router.parameters import Train


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Sample rows of all classes, not numbered from 0, as rows that are part of a table."""
    return sample.rows().iloc[300:600]


@pytest.fixture(scope="module")
def fitted() -> Classifier:
    """A linear model of other rows."""
    frame = sample.rows().head(300)
    return Classifier(Tfidf(model.tfidf(Train()).fit(tokens.texts(schema.inputs(frame)), frame[schema.TARGET])))


def remembering(rows: pd.DataFrame) -> Predict:
    """A model that knows these texts to the letter, and says nothing about any other."""
    known = dict(zip(rows["text"], rows[schema.TARGET], strict=True))
    return lambda inputs: pd.DataFrame({"prediction": inputs["text"].map(known).fillna("")})


def test_a_diagnosis_is_numbers_tables_and_figures(fitted: Classifier, rows: pd.DataFrame) -> None:
    """Shares are shares, and nothing is lost in the export of a model that was not exported."""
    found = diagnostics.diagnose(fitted, rows, flavor.predict(fitted, schema.inputs(rows)))
    shares = {"behaviour_minimum", "behaviour_invariance", "behaviour_direction", "robustness_typos"}
    assert all(0 < found.metrics[name] <= 1 for name in shares)
    assert {name: found.metrics[name] for name in found.metrics if name not in shares} == {
        "onnx_difference": 0,
        "int8_loss": 0,
    }
    assert all(len(table) for table in found.tables.values())
    assert set(found.figures) == {"typos"}


@pytest.mark.parametrize(("served", "loss"), [("int8", 0.4), ("float", 0)])
def test_what_the_export_measured_is_told(served: str, loss: float, fitted: Classifier, rows: pd.DataFrame) -> None:
    """What the served network lost is a metric that a floor can name, what was only tried is in the table."""
    scorer = Tfidf(fitted.scorer.pipeline) if isinstance(fitted.scorer, Tfidf) else pytest.fail("not linear")
    scorer.export = {"onnx_difference": 2e-6, "int8_loss": 0.4, "served": served}
    exported = Classifier(scorer, 1.5)
    found = diagnostics.diagnose(exported, rows, flavor.predict(exported, schema.inputs(rows)))
    assert (found.metrics["onnx_difference"], found.metrics["int8_loss"]) == (2e-6, loss)
    table = found.tables["What is served"].set_index("what")["value"]
    assert (table["kind"], table["temperature"], table["served"]) == ("tfidf", 1.5, served)


def test_typos_hurt_who_reads_to_the_letter(rows: pd.DataFrame) -> None:
    """Full marks without typos, none with them: the texts that are asked really are misspelt."""
    accuracies = diagnostics.robustness(remembering(rows), rows)
    assert accuracies[0.0] == 1
    assert (accuracies.drop(0.0) == 0).all()


def test_typos_do_not_hurt_who_does_not_read(rows: pd.DataFrame) -> None:
    """The rows are the same at every rate, so a constant answer has the same accuracy."""
    accuracies = diagnostics.robustness(
        lambda inputs: pd.DataFrame({"prediction": [schema.CLASSES[0]] * len(inputs)}), rows
    )
    assert accuracies.nunique() == 1
    assert accuracies.index.tolist() == list(diagnostics.TYPO_RATES)


def test_the_worst_mistakes_come_first() -> None:
    """Wrong rows alone, the most confident first, one of each group."""
    rows = pd.DataFrame(
        {
            schema.ID: ["a", "b", "c", "d", "e"],
            schema.GROUP: ["1", "2", "3", "3", "4"],
            "text": ["right", "unsure", "sure", "sure again", "long " * 100],
            schema.TARGET: ["refund", "refund", "cancellation", "cancellation", "refund"],
        },
        index=[7, 8, 9, 10, 11],
    )
    answers = ["refund", "cancellation", "refund", "refund", "cancellation"]
    refund = [0.9, 0.4, 0.95, 0.9, 0.2]
    predicted = pd.DataFrame(
        {"prediction": answers, "probability_refund": refund, "probability_cancellation": [1 - p for p in refund]},
        rows.index,
    )
    found = diagnostics.mistakes(rows, predicted)
    assert found[schema.ID].tolist() == ["c", "e", "b"]
    assert found["confidence"].tolist() == pytest.approx([0.95, 0.8, 0.6])
    assert found["text"].str.len().max() <= diagnostics.LONGEST


def test_failures_are_taken_from_each_group_in_turn() -> None:
    """Who fails most often is first with its shortest text, but crowds out nobody, and no text is shown twice."""
    names = ["typo"] * 20 + ["greeting"] * 30 + ["capitals", "thanks"]
    outcomes = pd.DataFrame(
        {
            "kind": "invariance",
            "name": names,
            "original": [str(number) for number in [*range(50), 0, 0]],
            "text": [f"{name} {'x' * (60 - number)}" for number, name in enumerate(names)],
            "before": "refund",
            "after": "cancellation",
            "passed": [name == "capitals" for name in names],
        }
    )
    found = diagnostics.failures(outcomes)
    assert found["name"].tolist()[:5] == ["greeting", "typo", "thanks", "greeting", "typo"]
    assert found["text"].tolist()[:2] == [f"greeting {'x' * 11}", f"typo {'x' * 41}"]
    assert len(found) == diagnostics.FAILURES


@given(st.text(max_size=400))
def test_a_shortened_text_is_one_line(text: str) -> None:
    """A text in a table has no line ends and a bounded length, and begins as it did."""
    short = diagnostics.shortened(text)
    assert len(short) <= diagnostics.LONGEST
    assert len(short.splitlines()) <= 1
    assert " ".join(text.split()).startswith(short.removesuffix("…"))
