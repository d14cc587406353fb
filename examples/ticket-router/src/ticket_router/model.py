"""What learns: weighted words with a linear model, or a transformer that starts from nothing.

The step takes another transformer from the Hugging Face hub where `train.hf_model_id` names one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline

from .parameters import Train
from .tokens import Terms

if TYPE_CHECKING:
    from transformers import PretrainedConfig

# Of the tiny network's tokenizer.
VOCABULARY = 2000
# Of the linear model's gradient: a finer one takes twice the steps, and predicts the same.
TOLERANCE = 1e-3


def tfidf(settings: Train) -> Pipeline:
    """An unfitted model: n texts in, labels out.

    Words and pairs of words say what a text is about; parts of words stand in for those that are misspelt. The
    logarithm keeps a word that is repeated ten times from counting ten times (Manning, Raghavan and Schütze,
    Introduction to Information Retrieval, 2008, section 6.4.1).
    """
    common = {"sublinear_tf": True, "min_df": 2, "max_features": settings.features}
    words = Terms(ngram_range=(1, 2), **common)
    characters = Terms(analyzer="char_wb", ngram_range=(3, 4), **common)
    estimator = LogisticRegression(C=1 / settings.regularization, max_iter=settings.iterations, tol=TOLERANCE)
    return Pipeline(
        [("features", FeatureUnion([("words", words), ("characters", characters)])), ("estimator", estimator)]
    )


def tiny(vocabulary: int, max_tokens: int) -> PretrainedConfig:
    """A BERT of one thin layer, to try the whole way of a transformer in seconds, without a network or a GPU.

    Args:
        vocabulary: number of tokens.
        max_tokens: of the longest text.
    """
    from transformers import BertConfig  # takes seconds, and only this needs it

    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=max_tokens,
    )
