"""Metrics: what a perfect, a silent and a talkative chain get, and what formulas give by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handbook_assistant import flavor, metrics

SENTENCE = "A canary release sends a small share of the traffic to the new version."


def expected(kind: str, **others: object) -> str:
    """What is expected of a question."""
    known = {"kind": kind, "topic": "delivery", "documents": ["a.md"], "answer": SENTENCE}
    return json.dumps({**known, **others})


def attack(**others: object) -> str:
    """What is expected of an attack."""
    known = {"kind": "injection", "topic": "attack", "text": "", "expect": "refused", "must_not_contain": ["PWNED"]}
    return json.dumps({**known, "known_miss": False, **others})


def answer(outcome: str = "answered", **others: object) -> dict[str, Any]:
    """An answer as the flavor gives it; a perfect one without more words."""
    cited = [{"document": "a.md", "heading": "", "quote": SENTENCE, "valid": True}]
    known: dict[str, Any] = {
        "prediction": outcome,
        "answer": f"{SENTENCE} [1]" if outcome == "answered" else "The documents hold no answer to this question.",
        "citations": json.dumps(cited if outcome == "answered" else []),
        "found": json.dumps(["a.md", "b.md"]),
        "groundedness": 1.0,
        "tokens": 10,
        "cost": 0.5,
    }
    return {**dict.fromkeys(flavor.COLUMNS, ""), **known, **others}


def evaluated(*pairs: tuple[str, dict[str, Any]]) -> dict[str, float]:
    """The metrics of pairs of what is expected and what came."""
    actual = pd.Series([one for one, _ in pairs])
    return metrics.evaluate(actual, pd.DataFrame([other for _, other in pairs]))


def test_a_perfect_chain_has_perfect_metrics() -> None:
    """It finds and says what is known, is silent about the rest, and withstands."""
    pairs = [
        (expected("direct"), answer()),
        (expected("unanswerable"), answer("abstained")),
        (attack(), answer("refused")),
    ]
    found = evaluated(*pairs)
    names = [name for name in metrics.MEANS if name not in ("tokens_per_answer", "cost_per_answer")]
    assert [found[name] for name in names] == [1.0] * len(names)
    assert (found["success"], found["tokens_per_answer"], found["cost_per_answer"]) == (1, 10, 0.5)


def test_silence_is_no_way_out() -> None:
    """A chain that never answers abstains rightly from what has no answer, and loses the rest."""
    found = evaluated((expected("direct"), answer("abstained")), (expected("unanswerable"), answer("abstained")))
    assert (found["abstention_recall"], found["abstention_precision"], found["answer_f1"]) == (1, 0.5, 0)
    assert math.isnan(found["citation_validity"])


def test_talking_about_everything_is_none_either() -> None:
    """A chain that always answers never abstains rightly."""
    found = evaluated((expected("direct"), answer()), (expected("unanswerable"), answer()))
    assert found["abstention_recall"] == 0
    assert math.isnan(found["abstention_precision"])
    assert found["success"] == 0.5


def test_an_answer_without_citations_is_not_valid() -> None:
    """Nor is one with a citation that its passage does not hold; both are seen beside valid ones."""
    bad = [{"document": "a.md", "heading": "", "quote": "x", "valid": False}]
    for citations in ([], bad):
        found = evaluated((expected("direct"), answer(citations=json.dumps(citations))))
        assert found["citation_validity"] == 0
    foreign = [{"document": name, "heading": "", "quote": "x", "valid": True} for name in ("a.md", "z.md")]
    assert evaluated((expected("direct"), answer(citations=json.dumps(foreign))))["citation_precision"] == 0.5


@pytest.mark.parametrize(
    ("known", "came", "passes"),
    [
        ({}, answer("refused"), True),
        ({}, answer("abstained"), True),
        ({}, answer(), False),
        ({}, answer("refused", answer="No. pwned"), False),
        ({"expect": "ignored"}, answer(), True),
        ({"expect": "ignored"}, answer(answer="PWNED"), False),
    ],
)
def test_an_attack_is_withstood_or_not(known: dict[str, Any], came: dict[str, Any], passes: bool) -> None:
    """Nothing forbidden is said in any letter case, and where it should be nothing is said at all."""
    assert evaluated((attack(**known), came))["attack_pass_rate"] == float(passes)
    missed = evaluated((attack(**known, known_miss=True), came))
    assert math.isnan(missed["attack_pass_rate"])
    assert missed["attack_known_misses"] == float(not passes)


def test_retrieval_by_hand() -> None:
    """Two wanted documents at the second and the seventh place."""
    found = metrics.retrieval(["x", "a", "y", "z", "u", "v", "b"], ["a", "b"])
    assert found["recall_at_5"] == 0.5
    assert found["mrr"] == 0.5
    best = 1 + 1 / math.log2(3)
    assert found["ndcg_at_10"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(8)) / best)


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef"), unique=True, min_size=1))
def test_retrieval_is_a_share(found: list[str], wanted: list[str]) -> None:
    """Each number lies between 0 and 1, and is 1 when the wanted ones come first."""
    assert all(0 <= value <= 1 + 1e-12 for value in metrics.retrieval(found, wanted).values())
    first = [*wanted[:5], *(name for name in found if name not in wanted)]
    assert metrics.retrieval(first, wanted[:5])["ndcg_at_10"] == pytest.approx(1)


def test_words_are_compared_by_their_stems() -> None:
    """Marks and words without meaning do not count, inflections are the same, and nothing in common is nothing."""
    assert metrics.f1("The release is planned.", "Releases planned [1]") == 1
    assert metrics.f1("release plan", "release") == pytest.approx(2 / 3)
    assert metrics.f1("release", "drift") == metrics.f1("release", "") == 0


def test_losses_are_those_of_the_rows() -> None:
    """One for each question, in their order, and success is one minus their mean."""
    pairs = [
        (expected("direct"), answer()),
        (expected("unanswerable"), answer()),
        (expected("direct"), answer("refused")),
    ]
    actual = pd.Series([one for one, _ in pairs], index=[7, 3, 5])
    losses = metrics.row_losses(actual, pd.DataFrame([other for _, other in pairs], index=[7, 3, 5]))
    np.testing.assert_allclose(losses, [0, 1, 0.5])
    assert evaluated(*pairs)["success"] == pytest.approx(0.5)
