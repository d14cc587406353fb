"""Vectors by the real client from a service on this computer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import openai
import pytest
from index_cases import CANARY, WordVectors
from loopback import Answer, Request, Service

from handbook_assistant.embed import BATCH, OpenAIEmbedder, passage
from handbook_assistant.errors import InputError

DIMENSION = 8


class EmbeddingService(Service):
    """Speaks OpenAI's API, and answers a batch from its end: the order is said by `index` alone."""

    def answer(self, request: Request) -> Answer:
        if request.path != "/v1/embeddings" or request.body.get("encoding_format") != "float":
            return Answer({"error": {"message": "no such request"}}, 400)
        # Twice as long as they should be: not every model gives vectors of length 1.
        vectors = 2 * WordVectors(DIMENSION)(request.body["input"])
        data = [{"object": "embedding", "index": n, "embedding": row.tolist()} for n, row in enumerate(vectors)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return Answer({"object": "list", "model": request.body["model"], "data": data[::-1], "usage": usage})


@pytest.fixture
def service() -> Iterator[EmbeddingService]:
    """A service that embeds."""
    with EmbeddingService() as running:
        yield running


def embedder(service: EmbeddingService, dimension: int = DIMENSION) -> OpenAIEmbedder:
    """One that asks the service, with a token that is got anew for each request."""
    tokens = iter(f"token {number}" for number in range(99))
    client = openai.OpenAI(base_url=f"{service.address}/v1", api_key=lambda: next(tokens), max_retries=2)
    return OpenAIEmbedder(client, "a-model", dimension)


def answer(*embeddings: list[Any], index: int = 0) -> Answer:
    """Of the service, with these vectors."""
    data = [{"object": "embedding", "index": index + n, "embedding": row} for n, row in enumerate(embeddings)]
    return Answer({"object": "list", "model": "a-model", "data": data, "usage": {}})


def test_order_is_kept_over_batches(service: EmbeddingService) -> None:
    """More texts than a batch holds come back as their own vectors, of length 1, one row each."""
    texts = [f"text number {number}" for number in range(2 * BATCH + 3)]
    vectors = embedder(service)(texts)
    assert vectors.shape == (len(texts), DIMENSION)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, WordVectors(DIMENSION)(texts), atol=1e-6)
    assert [len(request.body["input"]) for request in service.requests] == [BATCH, BATCH, 3]
    assert [request.headers["authorization"] for request in service.requests] == [f"Bearer token {n}" for n in range(3)]


def test_no_texts_are_no_request(service: EmbeddingService) -> None:
    """Nothing to embed is an empty table of the right width."""
    assert embedder(service)([]).shape == (0, DIMENSION)
    assert service.requests == []


def test_a_passage_has_its_headings() -> None:
    """A passage is embedded with title and headings, and without empty lines for what it has not."""
    assert passage(CANARY) == f"canary\nWhat it is\n{CANARY.text}"


def test_a_busy_service_is_asked_again(service: EmbeddingService) -> None:
    """What the service puts off comes in the end."""
    service.instead.extend(Answer({}, status, {"Retry-After": "0.01"}) for status in (429, 503))
    assert embedder(service)(["a text"]).shape == (1, DIMENSION)


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        (Answer({"error": {"message": "key\nexpired"}}, 401), "key"),
        (Answer({"error": {"message": "no such model"}}, 404), "no such model"),
        (Answer(b"<html>", 200, {"Content-Type": "text/html"}), "the answer makes no sense"),
        (Answer(b'{"data": ['), "the answer makes no sense"),
        (Answer({"data": [{}]}), "the answer makes no sense"),
        (answer([1.0] * DIMENSION, [1.0] * DIMENSION), "the answer makes no sense"),
        (answer([1.0] * DIMENSION, index=1), "the answer makes no sense"),
        (answer(["one"] * DIMENSION), "the answer makes no sense"),
        (answer([0.0] * DIMENSION), "the answer makes no sense"),
        (answer([float("nan")] * DIMENSION), "the answer makes no sense"),
        (answer([]), "the answer makes no sense"),
    ],
)
def test_a_bad_answer_is_one_line(instead: Answer, words: str, service: EmbeddingService) -> None:
    """An expired key, no such model, half an answer, no vectors: one line that says what to check."""
    service.instead.append(instead)
    with pytest.raises(InputError) as raised:
        embedder(service)(["a text"])
    assert str(raised.value).startswith("cannot embed with a-model: ")
    assert words in str(raised.value)
    assert str(raised.value).endswith("; check address, model and access of the embedding service")
    assert "\n" not in str(raised.value)


def test_the_dimension_is_checked(service: EmbeddingService) -> None:
    """A model with vectors of another length says both lengths and what to do."""
    with pytest.raises(InputError, match=r"^a-model makes vectors of 8 numbers, and the settings say 1536; set"):
        embedder(service, 1536)(["a text"])


def test_no_service_is_one_line() -> None:
    """A service that can't be reached is said in one line."""
    client = openai.OpenAI(base_url="http://127.0.0.1:1/v1", api_key="none", max_retries=0)
    with pytest.raises(InputError, match=r"^cannot embed with a-model: Connection error\.; check address, model"):
        OpenAIEmbedder(client, "a-model", DIMENSION)(["a text"])
