"""What a row must be, on the rows that the project starts with."""

from __future__ import annotations

import pandas as pd
import pytest

from ticket_router import rows, sample, schema

TICKETS = sample.rows()


def test_the_sample_fits() -> None:
    """No sample row is set aside."""
    checked = rows.check(TICKETS, schema.ROWS)
    assert checked.rejected.empty
    assert len(checked.good) == sample.ROWS


def test_a_label_is_a_persons_unless_it_says_otherwise() -> None:
    """Where one table says who has labelled and another does not, those that say nothing were labelled by people."""
    frame = TICKETS.head(300).assign(**{schema.LABELLED_BY: None})
    frame.loc[:9, schema.LABELLED_BY] = "human"
    checked = rows.check(frame, schema.ROWS)
    assert checked.rejected.empty
    assert set(checked.good[schema.LABELLED_BY]) == {"human"}


BAD_VALUES = {
    "no text": ("text", None, "text is empty"),
    "blank": ("text", " \n\t ", "a text with letters"),
    "digits alone": ("text", "0815 :-)", "a text with letters"),
    "too long": ("text", "a b" * 10_000, "at most 20,000 characters"),
    "control characters": ("text", "please\x00cancel", "control characters"),
    "an escape sequence": ("text", "\x1b[31mcancel", "control characters"),
    "another source": ("source", "pigeon", "'pigeon'"),
    "no thread": (schema.GROUP, None, "thread_id is empty"),
    "no label": (schema.TARGET, None, "intent is empty"),
    "another label": (schema.TARGET, "complaint", "'complaint'"),
    "label of a model": (schema.LABELLED_BY, "model", "a label that a person has given"),
}


@pytest.mark.parametrize("name", BAD_VALUES)
def test_a_bad_row_is_set_aside_with_its_reason(name: str) -> None:
    """Each rule takes out the row that breaks it, and no other."""
    column, value, words = BAD_VALUES[name]
    frame = TICKETS.head(300).assign(**{schema.LABELLED_BY: "human"})
    frame.loc[7, column] = value
    checked = rows.check(frame, schema.ROWS)
    assert checked.rejected[schema.ID].tolist() == [frame.loc[7, schema.ID]]
    assert words in checked.rejected[rows.REASON].iloc[0]


GOOD_TEXTS = {
    "other scripts": "أين طلبي؟",
    "emoji": "where is it 😡😡 👩‍👩‍👧",
    "quotes, commas and line ends": "he said: \"no\",\r\n\tthen; 'yes'",
    "one letter": "k",
    "the longest": "ab " * 6_666,
    "accents": "naïve café, Größe, ñandú",
}


@pytest.mark.parametrize("name", GOOD_TEXTS)
def test_a_strange_text_is_a_text(name: str) -> None:
    """What people may well write stays, letter by letter."""
    frame = TICKETS.head(300).copy()
    frame.loc[7, "text"] = GOOD_TEXTS[name]
    checked = rows.check(frame, schema.ROWS)
    assert checked.rejected.empty
    assert checked.good.loc[7, "text"] == GOOD_TEXTS[name]


def test_a_rare_label_is_set_aside() -> None:
    """Rows of a label that is too rare to learn are set aside; the others are used."""
    frame = TICKETS.head(1000)
    rare = frame[frame[schema.TARGET] == "refund"].index
    for kept, expected in ((schema.FEWEST - 1, schema.FEWEST - 1), (schema.FEWEST, 0)):
        rejected = rows.check(frame.drop(index=rare[kept:]), schema.ROWS).rejected
        assert len(rejected) == expected
        assert rejected[rows.REASON].str.contains("a label of at least 10 rows").all()


def test_a_row_to_score_needs_no_label() -> None:
    """Rows to predict for come without a label and without a thread; a label that comes along must be a known one."""
    frame = TICKETS.head(20).drop(columns=schema.GROUP)
    bare = rows.check(frame.drop(columns=schema.TARGET), schema.INPUTS)
    assert (len(bare.good), len(bare.rejected)) == (20, 0)
    frame.loc[3, schema.TARGET], frame.loc[4, schema.TARGET] = None, "complaint"
    labelled = rows.check(frame, schema.INPUTS)
    assert labelled.rejected[rows.REASON].str.contains("'complaint'").tolist() == [True]


def test_inputs_are_the_text_alone() -> None:
    """What the model sees cannot leak the answer."""
    assert list(schema.inputs(TICKETS)) == ["text"]


def test_every_row_is_in_a_slice() -> None:
    """Slices label all rows, each with several values, also the longest text that is allowed."""
    frame = TICKETS.copy()
    frame.loc[0, "text"] = "a" * schema.LONGEST
    labels = schema.slices(frame)
    assert labels.notna().all(axis=None)
    assert (labels.nunique() > 1).all()
    assert labels.loc[0, "length"] == "long"


def test_slices_follow_the_text() -> None:
    """Length is counted in characters; writing is told by capitals and full stops."""
    texts = ["ok", "where is it. Thanks", "w" * 81 + " where is it"]
    labels = schema.slices(pd.DataFrame({"text": texts, "source": "chat"}))
    assert labels["length"].tolist() == ["short", "short", "medium"]
    assert labels["writing"].tolist() == ["hasty", "tidy", "hasty"]
