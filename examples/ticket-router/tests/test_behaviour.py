"""Behavioural tests tell models apart by what they do, with models that are known to fail in one way."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_router import behaviour, expectations, schema
from ticket_router.errors import InputError
from ticket_router.metrics import PREFIX

CHANGES = behaviour.changes()
LETTERS = st.text("abcdefghijklmnopqrstuvwxyzÄÖß", min_size=2, max_size=40)
TEXTS = st.lists(LETTERS, min_size=1, max_size=12).map(" ".join)


@pytest.fixture
def rows() -> pd.DataFrame:
    """Labelled texts that are none of the expectations."""
    texts = [f"Message number {number}: what can you do about it?" for number in range(40)]
    labels = [schema.CLASSES[number % len(schema.CLASSES)] for number in range(40)]
    return pd.DataFrame({"text": texts, schema.TARGET: labels})


def saying(label_of: Callable[[str], str]) -> behaviour.Predict:
    """A model that gives the label of each text 0.8, and shares the rest among the others."""

    def predict(inputs: pd.DataFrame) -> pd.DataFrame:
        labels = inputs["text"].map(label_of)
        others = 0.2 / (len(schema.CLASSES) - 1)
        columns = {PREFIX + name: np.where(labels == name, 0.8, others) for name in schema.CLASSES}
        return pd.DataFrame({"prediction": labels, **columns}, inputs.index)

    return predict


def constant(_: str) -> str:
    """Ignores the text."""
    return schema.CLASSES[0]


def by_chance(text: str) -> str:
    """The same answer for the same text, and any other for any other."""
    return schema.CLASSES[zlib.crc32(text.encode()) % len(schema.CLASSES)]


def by_capitals(text: str) -> str:
    """Shouting decides."""
    return schema.CLASSES[int(text.isupper())]


def by_heart(text: str) -> str:
    """Knows the written texts, in any capitals, and what the added sentences of the directions mean; else no label."""
    text = " ".join(text.lower().split())
    known = {written.lower(): label for label, texts in expectations.MINIMUM.items() for written in texts}
    added = (label for label, sentence in expectations.TOWARDS.items() if text.endswith(sentence.lower()))
    return known.get(text) or next(added, "no label")


def test_every_label_is_expected() -> None:
    """Each class has texts that must get it and a sentence that must lead to it; no other label has."""
    assert set(expectations.MINIMUM) == set(expectations.TOWARDS) == set(schema.CLASSES)
    assert all(expectations.MINIMUM.values())


def test_an_unknown_label_is_refused(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Expectations that were not changed with the classes are told by name, and are not silently failed."""
    monkeypatch.setitem(expectations.TOWARDS, "lost_luggage", "My luggage is lost.")
    with pytest.raises(InputError, match=r"lost_luggage.*CLASSES of schema\.py"):
        behaviour.run(saying(constant), rows)


def test_ignoring_the_text_fails_all_but_invariance(rows: pd.DataFrame) -> None:
    """A constant answer is right for one class in k, never changes, and follows no direction."""
    rates = behaviour.rates(behaviour.run(saying(constant), rows))
    share = len(expectations.MINIMUM[schema.CLASSES[0]]) / sum(map(len, expectations.MINIMUM.values()))
    assert rates["behaviour_minimum"] == pytest.approx(share)
    assert rates["behaviour_invariance"] == 1
    assert rates["behaviour_direction"] == 0


def test_answering_by_chance_fails_each_kind(rows: pd.DataFrame) -> None:
    """Chance is right in about one case of k, and changes its mind whenever the text changes."""
    rates = behaviour.rates(behaviour.run(saying(by_chance), rows))
    assert rates["behaviour_minimum"] < 0.4
    assert rates["behaviour_invariance"] < 0.2
    assert rates["behaviour_direction"] < 0.4


def test_a_model_of_capitals_fails_for_capitals_alone(rows: pd.DataFrame) -> None:
    """The group that fails says what the model keys on."""
    table = behaviour.summary(behaviour.run(saying(by_capitals), rows)).set_index(["kind", "name"])
    failed = table.loc[behaviour.INVARIANCE].query("rate < 1")
    assert failed.index.tolist() == ["capitals"]
    assert failed["rate"].tolist() == [0]


def test_knowing_the_answers_passes(rows: pd.DataFrame) -> None:
    """A model that does what is written has full marks for minimum functionality and direction."""
    outcomes = behaviour.run(saying(by_heart), rows)
    rates = behaviour.rates(outcomes)
    assert rates["behaviour_minimum"] == rates["behaviour_direction"] == 1
    groups = behaviour.summary(outcomes).set_index(["kind", "name"])["rate"].to_dict()
    assert groups[behaviour.INVARIANCE, "capitals"] == 1
    assert groups[behaviour.INVARIANCE, "greeting"] < 1


def test_a_label_that_the_model_never_saw_has_no_direction(rows: pd.DataFrame) -> None:
    """Without a column of probabilities there is nothing to raise: the group fails, the others are unmoved."""
    label = schema.CLASSES[-1]
    outcomes = behaviour.run(lambda inputs: saying(by_heart)(inputs).drop(columns=PREFIX + label), rows)
    passed = outcomes[outcomes["kind"] == behaviour.DIRECTION].groupby("name")["passed"].mean()
    assert passed[label] == 0
    assert passed.drop(label).eq(1).all()


def test_directions_start_from_other_labels(rows: pd.DataFrame) -> None:
    """What is about the label already can't be asked to move there."""
    outcomes = behaviour.run(saying(constant), rows)
    moved = outcomes[outcomes["kind"] == behaviour.DIRECTION].merge(rows, left_on="original", right_on="text")
    assert len(moved) == behaviour.ROWS_A_DIRECTION * len(schema.CLASSES)
    assert (moved["label"] != moved[schema.TARGET]).all()


def test_no_expectations_are_no_cases(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """A team that has not written any yet gets rates that are not numbers, which no floor accepts."""
    for name in ("MINIMUM", "TOWARDS", "AROUND"):
        monkeypatch.setattr(expectations, name, {})
    for name in ("INTERCHANGEABLE", "CONTRACTIONS"):
        monkeypatch.setattr(expectations, name, ())
    rates = behaviour.rates(behaviour.run(saying(constant), rows))
    assert np.isnan([rates["behaviour_minimum"], rates["behaviour_direction"]]).all()
    assert rates["behaviour_invariance"] == 1


def test_cases_are_the_same_in_every_run(rows: pd.DataFrame) -> None:
    """Two models, and two days, are asked the same."""
    first, second = (behaviour.run(saying(constant), rows) for _ in range(2))
    assert first.equals(second)


@pytest.mark.parametrize("name", CHANGES)
@given(text=TEXTS)
def test_a_changed_text_is_a_text(name: str, text: str) -> None:
    """No change leaves a text without letters, and the same generator makes the same change."""
    first, second = (CHANGES[name](text, np.random.default_rng(1)) for _ in range(2))
    assert first == second
    assert any(sign.isalpha() for sign in first)


@given(text=TEXTS, seed=st.integers(0, 1000))
def test_a_typo_is_one_edit(text: str, seed: int) -> None:
    """One slip changes the text, in one place: what is around it stays."""
    slipped = behaviour.misspelt(text, np.random.default_rng(seed), slips=1)
    assert slipped != text
    assert abs(len(slipped) - len(text)) <= 1
    same = next(i for i, pair in enumerate(zip(text + "\0", slipped + "\1", strict=False)) if len(set(pair)) > 1)
    assert any(slipped.endswith(text[same + gap :]) for gap in (0, 1, 2))


@given(text=TEXTS, slips=st.integers(0, 200), seed=st.integers(0, 1000))
def test_any_number_of_slips_leaves_letters(text: str, slips: int, seed: int) -> None:
    """At most every second letter slips, so a text never vanishes; none slips where none is asked for."""
    slipped = behaviour.misspelt(text, np.random.default_rng(seed), slips)
    assert any(sign.isalpha() for sign in slipped)
    assert slips or slipped == text


@pytest.mark.parametrize(
    ("name", "text", "changed"),
    [
        ("contractions", "I'm sure it doesn't work. It is odd.", "I am sure it does not work. It's odd."),
        ("other words", "The Kettle came on Sunday.", "The Blender came on Monday."),
        ("other words", "Nothing to exchange, lampshade.", "Nothing to exchange, lampshade."),
        ("white space", "Two words", " Two  words\n"),
        ("greeting", "Two words", "Hello there,\n\nTwo words"),
    ],
)
def test_changes_by_example(name: str, text: str, changed: str) -> None:
    """Whole words are exchanged with their capitals, and short forms both ways; the rest stays."""
    assert CHANGES[name](text, np.random.default_rng(0)) == changed
