"""Descriptors see what has changed about the texts, and nothing where nothing has."""

from __future__ import annotations

import cases
import numpy as np
import pandas as pd
import pytest

from ticket_router import descriptors, drift, sample, schema

TICKETS = sample.rows()


def halves() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The sample's rows in two parts of one distribution."""
    shuffled = TICKETS.sample(2000, random_state=0)
    return shuffled.iloc[::2], shuffled.iloc[1::2]


def area(known: pd.DataFrame, current: pd.DataFrame) -> drift.Domain:
    """How well a classifier tells two tables of rows apart."""
    return drift.domain(descriptors.vectors(known), descriptors.vectors(current), 0.6, 0.01)


def test_columns_are_right() -> None:
    """Lengths are counted in characters and words, kinds of characters as shares of all."""
    (row,) = descriptors.columns(pd.DataFrame({"text": ["Ab 12 é!"], "source": ["chat"]})).to_dict("records")
    assert row == {
        "characters": 8,
        "words": 3,
        "mean_word_length": 2,
        "capitals": 1 / 8,
        "digits": 2 / 8,
        "punctuation": 1 / 8,
        "source": "chat",
    }


def test_no_rows_have_columns_and_vectors() -> None:
    """Columns, types and the length of a vector do not depend on the number of rows, and the index is kept."""
    some, none = TICKETS.iloc[5:8], TICKETS.head(0)
    assert list(descriptors.columns(some).index) == [5, 6, 7]
    assert descriptors.columns(none).dtypes.equals(descriptors.columns(some).dtypes)
    assert descriptors.vectors(none).shape == (0, descriptors.vectors(some).shape[1])


def test_each_row_is_described_alone() -> None:
    """Nothing is learnt from the rows around: a row has the same numbers in any company."""
    together, alone = descriptors.vectors(TICKETS.head(10)), descriptors.vectors(TICKETS.iloc[[7]])
    assert np.array_equal(together[7].toarray(), alone.toarray())
    assert descriptors.columns(TICKETS.head(10)).iloc[[7]].equals(descriptors.columns(TICKETS.iloc[[7]]))


def test_texts_of_one_distribution_cannot_be_told_apart() -> None:
    """Two halves of the sample look alike to the domain classifier, and column by column."""
    known, current = halves()
    found = area(known, current)
    assert not found.drifted
    assert abs(found.auc - 0.5) < 0.06
    columns = drift.compare(descriptors.columns(known), descriptors.columns(current), 0.2, 0.01)
    assert not any(column.drifted for column in columns)


def test_another_topic_can_be_told_apart() -> None:
    """Rows of half of the intents are found among those of the other half."""
    known, current = halves()
    known = known[known[schema.TARGET].isin(schema.CLASSES[:5])]
    found = area(known, current[current[schema.TARGET].isin(schema.CLASSES[5:])])
    assert found.drifted
    assert found.auc > 0.8


def test_another_language_can_be_told_apart() -> None:
    """Rows in another language are found almost without fail."""
    known, current = halves()
    assert area(known, cases.shifted(current)).auc > 0.99


CHANGES = {
    "capitals": lambda text: text.upper(),
    "words": lambda text: f"{text} {text} {text}",
    "punctuation": lambda text: text.replace(".", "!!!").replace(" ", "? "),
    "digits": lambda text: text.replace("e", "3"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_way_of_writing_shows_in_its_column(name: str) -> None:
    """What has changed about the writing is told by name."""
    known, current = halves()
    changed = current.assign(text=current["text"].map(CHANGES[name]))
    found = drift.compare(descriptors.columns(known), descriptors.columns(changed), 0.2, 0.01)
    assert {column.column: column for column in found}[name].drifted
