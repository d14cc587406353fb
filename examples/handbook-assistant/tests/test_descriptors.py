"""What monitoring compares of questions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from handbook_assistant import descriptors, drift, rows, schema
from handbook_assistant.settings import Monitor

LIMITS = Monitor()


@pytest.fixture(scope="module")
def asked(made: Path) -> pd.DataFrame:
    """The sample's questions."""
    return rows.read(made / "data/raw")


def test_each_question_is_described() -> None:
    """Its length, how it begins, and whether it asks at all."""
    found = descriptors.columns(pd.DataFrame({schema.QUESTION: ["How do I roll back?", "rollback steps", "?"]}))
    assert found["words"].tolist() == [5, 2, 1]
    assert found["opening"].tolist() == ["how", "other", "other"]
    assert found["asks"].tolist() == ["True", "False", "True"]


def test_halves_of_the_same_questions_cannot_be_told_apart(asked: pd.DataFrame) -> None:
    """Neither by columns nor as a whole."""
    mixed = asked.sample(frac=1, random_state=0)
    one, other = mixed.iloc[::2], mixed.iloc[1::2]
    sides = descriptors.columns(one), descriptors.columns(other)
    columns = drift.compare(*sides, LIMITS.psi_at_most, LIMITS.significance)
    assert not any(column.drifted for column in columns)
    vectors = descriptors.vectors(one), descriptors.vectors(other)
    whole = drift.domain(*vectors, LIMITS.domain_auc_at_most, LIMITS.significance)
    assert not whole.drifted


def test_no_questions_have_no_vectors(asked: pd.DataFrame) -> None:
    """And the same width as some."""
    assert descriptors.vectors(asked.head(0)).shape == (0, descriptors.vectors(asked.head(3)).shape[1])
