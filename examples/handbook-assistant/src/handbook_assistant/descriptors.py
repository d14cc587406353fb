"""What of a question is compared between those known and today's: do people ask about other things, or otherwise?

Whether the words have changed, a domain classifier says that is trained to tell the questions of then from those of
today.
"""

from __future__ import annotations

import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

from . import schema

# Letters only: each order has another number.
WORD = r"(?u)[^\W\d_]{2,}"
# Hashed, because words that nobody has asked about are what there is to find.
HASHED = HashingVectorizer(n_features=2**12, alternate_sign=False, token_pattern=WORD, dtype="float32")
OPENING = r"^\W*(\w+)"
# Words that questions begin with; all others are one kind.
OPENINGS = ("can", "does", "how", "is", "what", "when", "where", "which", "who", "why")


def columns(rows: pd.DataFrame) -> pd.DataFrame:
    """About n checked questions.

    Returns:
        n rows: `characters`, `words`, the `opening` word, and whether the question `asks` with a question mark.
    """
    texts = rows[schema.QUESTION]
    opening = texts.str.extract(OPENING, expand=False).str.lower()
    return pd.DataFrame(
        {
            "characters": texts.str.len().astype(float),
            "words": texts.str.split().str.len().astype(float),
            "opening": opening.where(opening.isin(OPENINGS), "other").astype(str),
            "asks": texts.str.contains("?", regex=False).astype(str),
        }
    )


def vectors(rows: pd.DataFrame) -> sparse.csr_matrix:
    """n x 4,096: how often each word occurs, by the word's hash, in lines of length one."""
    if rows.empty:  # which scikit-learn refuses
        return sparse.csr_matrix((0, HASHED.n_features), dtype="float32")
    return HASHED.transform(rows[schema.QUESTION])
