"""The sample corpus: always the same, varied, and hard for the right reasons."""

from __future__ import annotations

import re
from random import Random

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from ticket_router import noise, sample, schema

TICKETS = sample.rows()


def test_the_sample_is_the_same_at_each_call() -> None:
    """Nothing depends on the moment or the machine."""
    assert sample.rows().equals(TICKETS)


def test_no_blank_is_left() -> None:
    """Every choice is made and every blank filled, in every text."""
    assert not TICKETS["text"].str.contains(r"[{}|]|<[a-z_ ]+>", regex=True).any()


def test_texts_are_varied() -> None:
    """No text is there twice, hundreds of threads are, and each class, source and length has its rows."""
    assert TICKETS["text"].is_unique
    assert TICKETS[schema.GROUP].nunique() > 350
    assert set(TICKETS[schema.TARGET]) == set(schema.CLASSES)
    assert TICKETS[schema.TARGET].value_counts().min() > 200
    for name, labels in schema.slices(TICKETS).items():
        assert labels.value_counts().min() > 100, name


def test_some_labels_are_wrong() -> None:
    """About three in a hundred labels differ from those of their thread."""
    threads = TICKETS.groupby(schema.GROUP)[schema.TARGET]
    wrong = TICKETS[schema.TARGET] != threads.transform(lambda labels: labels.mode()[0])
    assert 0.02 < wrong.mean() < 0.04


def test_a_bag_of_words_is_not_enough() -> None:
    """On threads it has not seen, a linear model over words is far above chance and far from perfect."""
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2), LogisticRegression(C=10))
    folds = GroupKFold(2).split(TICKETS, groups=TICKETS[schema.GROUP])
    predicted = cross_val_predict(model, TICKETS["text"], TICKETS[schema.TARGET], cv=folds)
    assert 0.75 < (predicted == TICKETS[schema.TARGET]).mean() < 0.92


def test_each_slip_is_one_slip() -> None:
    """A typo changes a word by at most two letters, and leaves the number of words and the short ones alone."""
    text = "the parcel should have arrived on Monday and it is still nowhere"
    slipped = noise.typos(text, Random(1), 1.0)  # noqa: S311
    pairs = list(zip(text.split(), slipped.split(), strict=True))
    assert all(before == after for before, after in pairs if len(before) <= 3)
    assert all(abs(len(before) - len(after)) <= 1 for before, after in pairs)
    assert sum(before != after for before, after in pairs) >= 4
    assert noise.typos(text, Random(1), 0.0) == text  # noqa: S311


@pytest.mark.parametrize("seed", range(5))
def test_dictation_has_neither_digits_nor_marks(seed: int) -> None:
    """What speech recognition writes is words in small letters."""
    heard = noise.dictated("Order #98735: it's late, isn't it? Refund me £20.50!", Random(seed))  # noqa: S311
    assert re.fullmatch(r"[a-zA-Z' ]+", heard)
    assert re.search(r"nine .*eight .*seven .*three .*five .*it's late", heard)


def test_short_forms_and_missing_marks() -> None:
    """Words become short forms, and marks at the ends of words go; marks within words stay."""
    assert noise.shortened("please tell you because", Random(0), 1.0) == "pls tell u bc"  # noqa: S311
    assert noise.unpunctuated("Well, it's 20.50. Why?!") == "Well it's 20.50 Why"
