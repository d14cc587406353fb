"""Vectors of texts by latent semantic analysis: weighted words, brought down to a few dimensions that share meaning.

It knows no more than the texts it was fitted on: words that occur together are near each other, and a word it never
saw counts for nothing. Fitting stays in seconds whatever the size of the corpus: at most `SAMPLE` texts and `TERMS`
words are looked at, by a randomised decomposition on one thread, which small matrices like best. What is saved is a
list of words and two arrays: no code, and nothing that runs on loading.

Source: Deerwester et al., Indexing by Latent Semantic Analysis (1990).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import skops.io
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from . import words
from .errors import InputError

Vectors: TypeAlias = npt.NDArray[np.float32]

DIMENSION = 256
# Power iterations of the decomposition; five, the library's default, take twice as long and find nothing more.
ITERATIONS = 2
# Texts that are looked at, and words that are kept, the most frequent first: 20 MB on the disk at most.
SAMPLE = 10_000
TERMS = 20_000
# A word that is longer is none that somebody asks for.
LONGEST_TERM = 64


class Vectoriser:
    """Words, their weights, and the directions they are brought down to.

    terms: v words as `content` gives them.
    idf: v weights, the higher, the rarer the word.
    directions: v by d numbers, the vector of each word.
    """

    def __init__(self, terms: Sequence[str], idf: Vectors, directions: Vectors) -> None:
        if not 0 < len(terms) == len(idf) == len(directions):
            raise ValueError("words, weights and directions do not fit together")
        self.terms = tuple(terms)
        self.idf = idf
        self.directions = np.ascontiguousarray(directions)  # else each product would copy it
        self._columns = {term: column for column, term in enumerate(terms)}
        self._weighted = _weighted(vocabulary=self._columns)
        self._weighted.idf_ = idf
        self._rarest = float(idf.max())
        self.encode_one = lru_cache(maxsize=1024)(self._encode_one)  # a question is often asked again

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return int(self.directions.shape[1])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that the vectors depend on: the same texts give the same, whenever they were fitted."""
        total = hashlib.sha256(f"{_joined(self.terms)}\n{self.directions.shape}\n".encode())
        total.update(self.idf.tobytes())
        total.update(self.directions.tobytes())
        return total.hexdigest()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """n texts as n by d numbers, each row of length 1; all zeros for a text without a known word."""
        if not len(texts):
            return np.empty((0, self.dimension), np.float32)
        weighted = self._weighted.transform(_prepared(texts))
        vectors: Vectors = normalize(weighted @ self.directions).astype(np.float32, copy=False)
        return vectors

    def _encode_one(self, text: str) -> Vectors:
        """What `encode` gives for one text, as d numbers: the library's checks would take longer than the work."""
        counts = Counter(self._columns[term] for term in content(text) if term in self._columns)
        columns = list(counts)
        weights = (1 + np.log(np.array(list(counts.values()), float))) * self.idf[columns]
        vector = (weights @ self.directions[columns]).astype(np.float32)
        unit: Vectors = vector / (np.linalg.norm(vector) or 1)
        unit.setflags(write=False)
        return unit

    def weights(self, text: str) -> dict[str, float]:
        """The weight of each word of a text that carries meaning; an unknown one weighs as much as the rarest known."""
        found = {term: self._columns.get(term) for term in content(text)}
        return {term: self._rarest if column is None else float(self.idf[column]) for term, column in found.items()}

    def knows(self, term: str) -> bool:
        """Whether the vectors take a word into account."""
        return term in self._columns

    def save(self, path: Path) -> None:
        """Write a file that `load` reads. It gets its name when it is whole."""
        aside = path.with_name(f"{path.name}.part")
        state = {"terms": _joined(self.terms), "idf": self.idf, "directions": self.directions}
        skops.io.dump(state, aside)
        aside.replace(path)


def fit(texts: Sequence[str], seed: int = 0) -> Vectoriser:
    """Learn from texts; at most `SAMPLE` of them, evenly spread, are looked at.

    Raises:
        InputError: the texts hold no word.
    """
    weighted = _weighted(max_features=TERMS)
    try:
        counted = weighted.fit_transform(_prepared(texts[:: _step(len(texts))]))
    except ValueError as error:  # scikit-learn's word for it
        raise InputError("the documents hold no word to search for: add documents with text") from error
    return Vectoriser(
        weighted.get_feature_names_out().tolist(), weighted.idf_.astype(np.float32), _directions(counted, seed)
    )


def load(path: Path) -> Vectoriser:
    """Read what `Vectoriser.save` wrote. Runs no code of the file: it may hold arrays and text only.

    Raises:
        InputError: the file is absent, damaged, or holds anything else.
    """
    try:
        state = skops.io.load(path, trusted=[])
        return Vectoriser(state["terms"].split("\n"), _floats(state["idf"], 1), _floats(state["directions"], 2))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: copy the whole folder, or train again") from error
    except Exception as error:  # a damaged archive fails in as many ways as it has parts
        raise InputError(f"{path} cannot be read ({type(error).__name__}): copy it anew, or train again") from error


def content(text: str) -> list[str]:
    """The stems of the words of a text that carry meaning, as they come."""
    return [term[:LONGEST_TERM] for term in words.content(text)]


def _directions(counted: sparse.spmatrix, seed: int) -> Vectors:
    if counted.shape[1] == 1:  # which scikit-learn refuses
        return np.ones((1, 1), np.float32)
    reduction = TruncatedSVD(min(DIMENSION, *counted.shape), n_iter=ITERATIONS, random_state=seed)
    with threadpool_limits(1), np.errstate(invalid="ignore"):  # equal texts have no variance to explain
        reduction.fit(counted)
    directions: Vectors = reduction.components_.T.astype(np.float32)
    return directions


def _step(n: int) -> int:
    return max(1, -(-n // SAMPLE))


def _prepared(texts: Sequence[str]) -> list[str]:
    """Texts of nothing but stems: a function of ours inside the vectoriser would be one to trust on loading."""
    return [" ".join(content(text)) for text in texts]


def _weighted(**options: Any) -> TfidfVectorizer:
    whole = r"\S+"
    return TfidfVectorizer(lowercase=False, token_pattern=whole, sublinear_tf=True, dtype=np.float32, **options)


def _joined(terms: Sequence[str]) -> str:
    return "\n".join(terms)


def _floats(values: object, axes: int) -> Vectors:
    if not (isinstance(values, np.ndarray) and values.dtype == np.float32 and values.ndim == axes):
        raise ValueError(f"not an array of {axes} axes")
    if not np.isfinite(values).all():
        raise ValueError("not finite")
    return values
