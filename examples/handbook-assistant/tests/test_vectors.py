"""Vectors of texts: what they mean, and that they are saved without code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from handbook_assistant import vectors
from handbook_assistant.errors import InputError

TEXTS = [
    "The canary release sends a small share of the traffic to the new version.",
    "A rollback brings the former version back when the canary fails.",
    "Cats drink milk and sleep in the sun.",
    "A kitten drinks milk; cats and kittens sleep a lot.",
]
FITTED = vectors.fit(TEXTS)


def test_texts_that_share_words_are_near() -> None:
    """A text is nearest to itself, and nearer to one about the same than to one about something else."""
    near = FITTED.encode(TEXTS) @ FITTED.encode(TEXTS).T
    assert near.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert near[0, 1] > near[0, 2]
    assert near[2, 3] > near[2, 1]


def test_inflections_are_one_word() -> None:
    """A text in the plural has the vector of the one in the singular."""
    one, other = FITTED.encode(["canary release", "canaries, released"])
    assert one @ other == pytest.approx(1)


@given(st.lists(st.text(), max_size=5))
def test_vectors_have_length_one(texts: list[str]) -> None:
    """n texts of any content become n rows of 32-bit floats, of length 1 or, without a known word, 0."""
    encoded = FITTED.encode(texts)
    assert encoded.shape == (len(texts), FITTED.dimension)
    assert encoded.dtype == np.float32
    lengths = np.linalg.norm(encoded, axis=1)
    assert (np.isclose(lengths, 1) | (lengths == 0)).all()


WORDS = st.sampled_from(["canary", "canaries", "release", "rollback", "milk", "cats", "sleep", "the", "and", "unknown"])


@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_one_text_is_encoded_as_among_others(text: str) -> None:
    """The short way for a question gives the vector that the library gives."""
    np.testing.assert_allclose(FITTED.encode_one(text), FITTED.encode([text])[0], atol=1e-6)
    assert FITTED.encode_one(text).dtype == np.float32


def test_a_saved_vectoriser_is_the_same(tmp_path: Path) -> None:
    """What is loaded encodes as what was saved, and has its digest."""
    FITTED.save(tmp_path / "saved.skops")
    loaded = vectors.load(tmp_path / "saved.skops")
    assert loaded.digest == FITTED.digest
    np.testing.assert_array_equal(loaded.encode(TEXTS), FITTED.encode(TEXTS))
    assert [path.name for path in tmp_path.iterdir()] == ["saved.skops"]


def test_the_digest_depends_on_the_texts_only() -> None:
    """The same texts give the same digest, others another."""
    assert vectors.fit(TEXTS).digest == FITTED.digest
    assert vectors.fit(TEXTS[:3]).digest != FITTED.digest


@pytest.mark.parametrize("texts", [[], [""], ["!!! ???"], ["the and of"]])
def test_texts_without_words_are_refused(texts: list[str]) -> None:
    """Nothing can be learnt from texts that hold no word with a meaning."""
    with pytest.raises(InputError, match="no word"):
        vectors.fit(texts)


@pytest.mark.parametrize("texts", [["one"], ["same words"] * 5, ["one", "two"]])
def test_small_corpora_are_enough(texts: list[str]) -> None:
    """A corpus may be one word, or one text again and again."""
    encoded = vectors.fit(texts).encode(texts)
    np.testing.assert_allclose(np.linalg.norm(encoded, axis=1), 1, rtol=1e-5)


def test_only_arrays_and_text_are_loaded(tmp_path: Path) -> None:
    """A file that holds an object of a class, even a harmless one, is refused."""
    path = tmp_path / "stranger.skops"
    skops.io.dump({"terms": "a", "idf": StandardScaler(), "directions": np.ones((1, 1), np.float32)}, path)
    with pytest.raises(InputError, match="cannot be read"):
        vectors.load(path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_damaged_file_is_refused(tmp_path: Path, share: float) -> None:
    """A file of which the end is missing is refused with one line."""
    path = tmp_path / "cut.skops"
    FITTED.save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"^[^\n]+ cannot be read [^\n]+ train again$"):
        vectors.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is refused, and the line says what to do."""
    with pytest.raises(InputError, match="is missing: copy the whole folder"):
        vectors.load(tmp_path / "absent.skops")


def test_long_words_are_cut() -> None:
    """A word of a hundred thousand letters takes no more room than a long one."""
    fitted = vectors.fit(["x" * 100_000, "short"])
    assert max(map(len, fitted.terms)) == vectors.LONGEST_TERM
