"""From rows to texts, terms and tokens."""

from __future__ import annotations

import pandas as pd
import pytest
import skops.io

from ticket_router import NAME, sample, schema, tokens


@pytest.mark.parametrize(
    ("written", "read"),
    [("  two\n\tspaces ", "two spaces"), ("ﬁne ①", "fine 1"), ("Zu\u0308rich", "Zürich"), ("a\u00a0b", "a b")],
)
def test_what_looks_the_same_is_the_same(written: str, read: str) -> None:
    """Spaces, ligatures and accents come in one form."""
    assert tokens.texts(pd.DataFrame({"text": [written]})) == [read]


def test_terms_survive_being_saved() -> None:
    """Loaded terms weigh a text as the saved ones do, and saving does not change them."""
    texts = tokens.texts(schema.inputs(sample.rows().head(50)))
    terms = tokens.Terms(ngram_range=(1, 2), max_features=300).fit(texts)
    loaded = skops.io.loads(skops.io.dumps(terms), trusted=[f"{NAME}.tokens.Terms"])
    assert loaded.vocabulary_ == terms.vocabulary_
    assert (loaded.transform(texts) != terms.transform(texts)).nnz == 0


def test_a_tokenizer_is_learnt_from_texts() -> None:
    """It knows the words that are common in them, puts each text between two ends, and is the same every time."""
    first, second = (tokens.learn(["the parcel is late"] * 20, 60) for _ in range(2))
    assert first.encode("The parcel").tokens == ["[CLS]", "the", "parcel", "[SEP]"]
    assert first.to_str() == second.to_str()
    assert "[UNK]" in first.encode("日本").tokens
