"""Vectors of texts, from any service that speaks OpenAI's API: OpenAI, Azure, Databricks, vLLM, Ollama.

Numbers are asked for as numbers: the client's default, base64, is one that not every service knows. Vectors are
brought to length 1 here, since some models leave that to their callers and both cloud indexes count on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import openai

from .errors import InputError
from .schema import Chunk

Vectors = npt.NDArray[np.float32]
# Texts of one request: services allow between 100 and 2,048.
BATCH = 64
MEND = "check address, model and access of the embedding service"


class Embedder(Protocol):
    """What turns texts into vectors."""

    dimension: int

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """n texts as n rows of `dimension` numbers, each row of length 1, in the same order.

        Raises:
            InputError: the service can't be reached or does not answer as it should.
        """


def passage(chunk: Chunk) -> str:
    """What is embedded of a chunk: a passage alone rarely says what it is about, its headings do."""
    return "\n".join(part for part in (chunk.title, chunk.heading, chunk.text) if part)


class OpenAIEmbedder:
    """Vectors by `client`, which knows the address and gets the tokens."""

    def __init__(self, client: openai.OpenAI, model: str, dimension: int) -> None:
        self.dimension = dimension
        self._client = client
        self._model = model

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        parts = [self._batch(list(texts[start : start + BATCH])) for start in range(0, len(texts), BATCH)]
        return np.concatenate([np.empty((0, self.dimension), np.float32), *parts])

    def _batch(self, texts: list[str]) -> Vectors:
        try:
            answer = self._client.embeddings.create(model=self._model, input=texts, encoding_format="float")
            vectors = _in_order(answer.data, len(texts))
        except openai.OpenAIError as error:
            raise InputError(f"cannot embed with {self._model}: {_reason(error)}; {MEND}") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError(f"cannot embed with {self._model}: the answer makes no sense; {MEND}") from error
        if vectors.shape[1] != self.dimension:
            raise InputError(
                f"{self._model} makes vectors of {vectors.shape[1]} numbers, and the settings say {self.dimension}; "
                "set the dimension to that of the model, and build the index anew"
            )
        return vectors


def _in_order(items: Sequence[Any], n: int) -> Vectors:
    """Vectors of length 1 by their `index`: a service may answer in any order."""
    ordered = sorted(items, key=lambda item: int(item.index))
    if [item.index for item in ordered] != list(range(n)):
        raise ValueError("not one vector for each text")
    vectors = np.asarray([item.embedding for item in ordered], np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if vectors.ndim != 2 or not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError("not vectors")
    unit: Vectors = (vectors / lengths).astype(np.float32)
    return unit


def _reason(error: openai.OpenAIError) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:200]}…"
