"""Agreement between proposals and people: right by hand, and honest about what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from ticket_router import agreement

HUMAN = ["a"] * 45 + ["b"] * 15 + ["a"] * 25 + ["b"] * 15
PROPOSED = ["a"] * 45 + ["a"] * 15 + ["b"] * 25 + ["b"] * 15


def test_kappa_of_a_known_table() -> None:
    """The classic table of 45, 25, 15 and 15 has equal labels in 60 % of the rows and a kappa of 0.1304."""
    found = agreement.compare(HUMAN, PROPOSED)
    assert found.accuracy == pytest.approx(0.6)
    assert found.kappa == pytest.approx(0.1304, abs=1e-4)
    assert found.lower < found.kappa < found.upper


def test_kappa_is_that_of_others() -> None:
    """On random labels of several kinds it is what scikit-learn computes."""
    chance = np.random.default_rng(0)
    human, noise = chance.choice(list("abcd"), 300), chance.choice(list("abcd"), 300)
    proposed = np.where(chance.random(300) < 0.7, human, noise)
    found = agreement.compare(list(human), list(proposed))
    assert found.kappa == pytest.approx(cohen_kappa_score(human, proposed))


def test_the_interval_narrows_with_the_rows() -> None:
    """Ten times the rows, a third of the interval, and it is the same at each call."""
    few, many = (agreement.compare(HUMAN * times, PROPOSED * times) for times in (1, 10))
    assert (many.upper - many.lower) == pytest.approx((few.upper - few.lower) / 10**0.5, rel=0.15)
    assert agreement.compare(HUMAN, PROPOSED) == few


def test_an_abstention_is_a_disagreement() -> None:
    """A row without an answer counts against the model, and is told apart from a wrong one."""
    full = agreement.compare(["a", "b"] * 10, ["a", "b"] * 10)
    less = agreement.compare(["a", "b"] * 10, ["a", None] * 5 + ["a", "b"] * 5)
    assert (full.accuracy, full.kappa, full.abstained) == (1, 1, 0)
    assert (less.accuracy, less.abstained) == (0.75, 0.25)
    assert less.kappa < 1
    assert less.confusions == (agreement.Confusion("b", agreement.NONE, 5),)


def test_each_label_has_its_precision_and_recall() -> None:
    """Of 60 proposals of a 45 are right, of 70 rows of a 45 were found; a label never proposed has no precision."""
    found = agreement.compare([*HUMAN, "c"], [*PROPOSED, "a"])
    by_label = {one.intent: one for one in found.intents}
    assert (by_label["a"].precision, by_label["a"].recall) == pytest.approx((45 / 61, 45 / 70))
    assert np.isnan(by_label["c"].precision)
    assert (by_label["c"].recall, by_label["c"].rows) == (0, 1)
    assert found.confusions[0] == agreement.Confusion("a", "b", 25)


def test_the_report_says_what_was_found() -> None:
    """A person reads the verdict, the model, each label and each confusion."""
    found = agreement.compare([*HUMAN, "c"], [*PROPOSED, None])
    text = agreement.markdown(found, "some-model", "0123abcd", 0.8)
    for words in ("some-model", "0123abcd", "**too little**", "| a | b | 25 |", "| c | never proposed | 0.00 | 1 |"):
        assert words in text
