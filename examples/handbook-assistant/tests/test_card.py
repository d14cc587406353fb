"""The model card: made from the report's files alone."""

from __future__ import annotations

from handbook_assistant.card import card

GATE = {
    "passed": False,
    "reasons": ["accuracy: 0.5, at least 0.9 required"],
    "rows": 100,
    "model": {"digest": "abc"},
    "comparison": {"difference": 0.01, "lower": -0.01, "upper": 0.03, "margin": 0.05},
}
SLICES = [{"slice": "size=a|b", "rows": 40, "accuracy": 0.5, "roc_auc": None, "f1": float("nan")}]
TABLES = {"Worst mistakes": [{"text": "two\nlines, a [link](x) and <b>a tag</b>"}], "Nothing": []}


def test_a_refusal_is_told_with_its_reasons() -> None:
    """A reader of the card of a refused model sees that first."""
    text = card("model", {"accuracy": 0.5}, SLICES, TABLES, GATE, ["roc"])
    assert "**refused**" in text
    assert "- accuracy: 0.5, at least 0.9 required" in text


def test_values_stand_in_tables() -> None:
    """Metrics, slices and the comparison are there; a cell cannot break its table; what is not defined says so."""
    text = card("model", {"accuracy": 0.5}, SLICES, TABLES, GATE, ["roc"])
    assert "| accuracy | 0.5 |" in text
    assert r"| size=a\|b | 40 | 0.5 | not defined | not defined |" in text
    assert "| margin | 0.05 |" in text
    assert "![roc](plots/roc.png)" in text


def test_what_people_wrote_stays_text() -> None:
    """Texts in a table become neither a link nor a tag nor another line; a table without rows is left out."""
    text = card("model", {"accuracy": 0.5}, SLICES, TABLES, GATE, [])
    assert "## Worst mistakes" in text
    assert r"| two lines, a \[link\](x) and \<b\>a tag\</b\> |" in text
    assert "Nothing" not in text


def test_the_first_model_has_nothing_to_be_compared_with() -> None:
    """Without a champion and slices the card says so instead of showing empty tables."""
    text = card("model", {"accuracy": 0.5}, [], {}, {**GATE, "comparison": None}, [])
    assert "no champion yet" in text
    assert "No slices are defined." in text
