"""From a checked row to a text, and from a text to tokens. Training and serving run this same code."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SPECIAL = (PADDING, UNKNOWN, START, END) = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def texts(inputs: pd.DataFrame) -> list[str]:
    """The text of each of n rows of inputs; where several columns hold text, this is the place to join them."""
    return [plain(text) for text in inputs["text"]]


def plain(text: str) -> str:
    """A text in the compatible form of Unicode (NFKC), with single spaces: what looks the same is the same."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


class Terms(TfidfVectorizer):  # type: ignore[misc]
    """Weighted terms, saved as one array: skops takes a file for each of the numbers that the terms are kept with."""

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "vocabulary_" in state:
            state["vocabulary_"] = self.get_feature_names_out().astype(str)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "vocabulary_" in state:
            state = {**state, "vocabulary_": {str(term): column for column, term in enumerate(state["vocabulary_"])}}
        super().__setstate__(state)


def learn(corpus: Sequence[str], size: int) -> Tokenizer:
    """A WordPiece tokenizer of about `size` tokens, for a network of no knowledge; the same for the same texts.

    Source: Wu et al., Google's Neural Machine Translation System (2016); lower case and special tokens as in BERT.
    """
    vocabulary = _tokenizer({})
    characters = sorted(set().union(*(vocabulary.normalizer.normalize_str(text) for text in corpus)) - {" "})
    # Characters inside of words are numbered as they come out of a hash table, unless they are given. They are given as
    # special tokens, which the second tokenizer then forgets.
    given = [*SPECIAL, *(f"##{character}" for character in characters)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=given, limit_alphabet=len(given), show_progress=False
    )
    vocabulary.train_from_iterator(corpus, trainer)
    tokenizer = _tokenizer(vocabulary.get_vocab())
    tokenizer.add_special_tokens(list(SPECIAL))
    ends = [(token, tokenizer.token_to_id(token)) for token in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ends)
    return tokenizer


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
