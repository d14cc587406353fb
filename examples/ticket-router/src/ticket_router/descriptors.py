"""What of a text is compared between training and today, to see whether people write about other things, or otherwise.

Single numbers say what has changed: the length, the shouting, the channel. Whether the words have changed, a domain
classifier says that is trained to tell the texts of then from those of today.
"""

from __future__ import annotations

import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

# Kinds of characters, as regular expressions.
KINDS = {
    "capitals": r"[A-ZÀ-ÖØ-Þ]",
    "digits": r"[0-9]",
    "punctuation": r"[^\w\s]",
}
# Letters only: each order has another number.
WORD = r"(?u)[^\W\d_]{2,}"
# Hashed, because words that training has never seen are what there is to find.
HASHED = HashingVectorizer(n_features=2**12, alternate_sign=False, token_pattern=WORD, dtype="float32")


def columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers about the texts of n checked rows, and where they come from.

    Returns:
        n rows: `characters`, `words`, `mean_word_length` in characters, the shares of the characters that are
        `capitals`, `digits` and `punctuation`, and `source`.
    """
    texts = rows["text"]
    characters, words = texts.str.len().astype(float), texts.str.split().str.len().astype(float)
    shares = {name: texts.str.count(kind) / characters for name, kind in KINDS.items()}
    mean = texts.str.count(r"\S") / words
    return pd.DataFrame(
        {"characters": characters, "words": words, "mean_word_length": mean, **shares, "source": rows["source"]}
    )


def vectors(rows: pd.DataFrame) -> sparse.csr_matrix:
    """n x 4,096: how often each word occurs, by the word's hash, in lines of length one."""
    if rows.empty:  # which scikit-learn refuses
        return sparse.csr_matrix((0, HASHED.n_features), dtype="float32")
    return HASHED.transform(rows["text"])
