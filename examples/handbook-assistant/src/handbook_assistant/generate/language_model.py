"""Answers by a language model behind any endpoint that speaks OpenAI's API.

The model is free to write anything, so nothing of its reply is taken on trust: a mark [n] that names no passage is
dropped, and a reply without a mark is no answer. Marks are renumbered while they stream, so that the pieces
together are the text of the answer, but for space around it. Whoever shows pieces must replace them when the answer
turns out to be none.

The client waits and tries again by itself after 429, 5xx and lost connections. What it says about an error may quote
a key, so its message is never passed on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import openai

from .. import entra
from ..chain import Answer, Citation
from ..errors import InputError
from ..index.base import Hit
from . import NO_ANSWER, abstained
from .prompts import Prompt

# How services call it that their content filter stopped something.
FILTERED = "content_filter"
SCOPE = "https://cognitiveservices.azure.com/.default"
# What the prompt tells the model to reply when the passages hold no answer.
SILENCE = re.compile(r"\W*no[ _]answer\W*", re.IGNORECASE)
_MARK = re.compile(r"( ?)\[(\d{1,3}(?:, ?\d{1,3}){0,9})\]")
# What may become a mark with what follows.
_OPEN = re.compile(r"\[[\d, ]{0,50}")
_CODE = re.compile(r"[\w.-]{1,60}")
MENDS = {
    401: "check the key, or sign in again",
    403: "give this identity the right to use the model",
    404: "check the address and the name of the model",
    429: "wait, or raise its quota",
}
LOCAL = ("127.0.0.1", "localhost", "::1")


def client(base_url: str, token: Callable[[], str], timeout: float = 60, retries: int = 4) -> openai.OpenAI:
    """A client of an endpoint.

    Args:
        base_url: of the API, such as https://api.openai.com/v1.
        token: called for each request, so that a token that has expired is replaced.
        timeout: seconds that the service may stay silent.
        retries: further attempts when the service is busy, broken or out of reach.

    Raises:
        InputError: a token would travel unencrypted.
    """
    parts = urlsplit(base_url)
    if parts.scheme != "https" and parts.hostname not in LOCAL:
        raise InputError(f"{base_url} is not encrypted; give an address that starts with https://")
    return openai.OpenAI(base_url=base_url, api_key=token, timeout=timeout, max_retries=retries)


def azure(endpoint: str, token: Callable[[], str] | None = None) -> openai.OpenAI:
    """A client of an Azure OpenAI or Foundry resource, with this identity's token instead of a key."""
    return client(f"{endpoint.rstrip('/')}/openai/v1/", token or entra_token())


def databricks(config: Any | None = None) -> openai.OpenAI:
    """A client of the serving endpoints of a Databricks workspace.

    Args:
        config: `databricks.sdk.config.Config`; the one of the environment without it.

    Raises:
        InputError: there is no workspace to sign in to.
    """
    from databricks.sdk.config import Config

    try:
        known = config or Config()
    except ValueError as error:
        raise InputError("cannot sign in to Databricks; run `databricks auth login`, or set DATABRICKS_HOST") from error
    return client(f"{str(known.host).rstrip('/')}/serving-endpoints", lambda: _databricks_token(known))


def _databricks_token(config: Any) -> str:
    try:
        return str(config.authenticate()["Authorization"]).removeprefix("Bearer ")
    except (ValueError, OSError, KeyError) as error:
        raise InputError("no token for Databricks; run `databricks auth login` or check the identity") from error


def entra_token() -> Callable[[], str]:
    """What gives a valid Entra token for Azure's AI services, from a cache while it lasts."""
    from azure.core.exceptions import AzureError
    from azure.identity import get_bearer_token_provider

    provider = get_bearer_token_provider(entra.credential(), SCOPE)

    def token() -> str:
        try:
            return provider()
        except AzureError as error:
            raise InputError("no token for Azure; run `az login`, or check the managed identity") from error

    return token


def key(variable: str) -> Callable[[], str]:
    """What reads a key from an environment variable each time it is needed."""

    def token() -> str:
        if not os.environ.get(variable, "").strip():
            raise InputError(f"no key for the language model; set the environment variable {variable}")
        return os.environ[variable].strip()

    return token


class LanguageModel:
    """A generator that asks a language model.

    Args:
        client: which knows the address and gets the tokens.
        model: its name there; on Azure the deployment's.
        prompt: what it is told.
        relevance_at_least: abstain, without asking, when no passage is as relevant, see `Hit.relevance`.
        limit: what the service calls the most tokens of a reply; `max_tokens` on Databricks and in older services.
    """

    cost = 1

    def __init__(
        self,
        client: openai.OpenAI,
        model: str,
        prompt: Prompt,
        relevance_at_least: float = 0.0,
        limit: str = "max_completion_tokens",
    ) -> None:
        self.relevance_at_least = relevance_at_least
        self._client = client
        self._model = model
        self._prompt = prompt
        self._limit = limit

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """What the model makes of the passages, with those that it cites."""
        weak = self._too_weak(hits)
        if weak is not None:
            return weak
        with _told(self._model):
            reply = _Reply()
            whole = self._ask(question, hits, reply)
            if whole is not None:
                reply.read(whole)
            return self._finished(reply, hits)

    def stream(self, question: str, hits: Sequence[Hit]) -> Iterator[str | Answer]:
        """The same in pieces as the model writes them."""
        weak = self._too_weak(hits)
        if weak is not None:
            yield from (weak.text, weak)
            return
        reply = _Reply()
        with _told(self._model):
            events = self._ask(question, hits, reply, stream=True, stream_options={"include_usage": True})
            if events is not None:
                with events:
                    yield from Marks(len(hits)).rewritten(reply.pieces(events))
            yield self._finished(reply, hits)

    def _too_weak(self, hits: Sequence[Hit]) -> Answer | None:
        best = max((hit.relevance for hit in hits), default=0.0)
        if hits and best >= self.relevance_at_least:
            return None
        needed = f"{best:.2f}, and {self.relevance_at_least:.2f} is needed"
        return abstained(f"no passage is relevant enough: {needed}", self._model)

    def _ask(self, question: str, hits: Sequence[Hit], reply: _Reply, **options: Any) -> Any | None:
        """What the service replies; nothing, and a note in `reply`, where its filter stops the question."""
        settings = self._prompt.settings
        options[self._limit] = settings.max_tokens
        if settings.temperature is not None:
            options["temperature"] = settings.temperature
        messages = self._prompt.messages(question, [hit.chunk for hit in hits])
        try:
            return self._client.chat.completions.create(model=self._model, messages=messages, **options)
        except openai.BadRequestError as error:
            if error.code != FILTERED:
                raise
            reply.finish = FILTERED
            return None

    def _finished(self, reply: _Reply, hits: Sequence[Hit]) -> Answer:
        """The answer that a whole reply is, if it is one."""
        made_by = (self._model, self._prompt.digest)
        if reply.finish == FILTERED or reply.refusal:
            reason = "the model or its content filter declined"
            return Answer(NO_ANSWER, (), "refused", reason, *made_by, *reply.tokens)
        marks = Marks(len(hits))
        text = "".join(marks.rewritten([reply.text])).strip()
        reason = _why_none(reply, marks, self._prompt.settings.max_tokens)
        if reason:
            return abstained(reason, *made_by, reply.tokens)
        citations = tuple(_citation(hits[number - 1]) for number in marks.cited)
        return Answer(text, citations, "answered", "", *made_by, *reply.tokens)


class Marks:
    """Marks [n] of a text, renumbered in the order in which they come.

    cited: the passages, counted from 1, that [1], [2], … stand for.
    """

    def __init__(self, passages: int) -> None:
        self.cited: list[int] = []
        self._passages = passages

    def rewritten(self, pieces: Iterable[str]) -> Iterator[str]:
        """The same text with marks that name passages. A piece that ends inside a mark waits for the next."""
        waiting = ""
        for piece in pieces:
            waiting += piece
            end = _end_of_whole(waiting)
            if end:
                yield self._renumbered(waiting[:end])
            waiting = waiting[end:]
        if waiting:
            yield self._renumbered(waiting)

    def _renumbered(self, text: str) -> str:
        return _MARK.sub(self._mark, text)

    def _mark(self, found: re.Match[str]) -> str:
        numbers = [int(number) for number in found[2].split(",") if 1 <= int(number) <= self._passages]
        self.cited += [number for number in dict.fromkeys(numbers) if number not in self.cited]
        marks = "".join(f"[{self.cited.index(number) + 1}]" for number in dict.fromkeys(numbers))
        return found[1] + marks if marks else ""


def _end_of_whole(text: str) -> int:
    """Where a text may be parted without parting a mark or the space before it."""
    start = text.rfind("[")
    end = start if start >= 0 and _OPEN.fullmatch(text, start) else len(text)
    return end - 1 if text[end - 1 : end] == " " else end


class _Reply:
    """What the service said, checked as it is read: its own client lets anything pass."""

    def __init__(self) -> None:
        self.text = self.finish = self.refusal = ""
        self.tokens = (0, 0)

    def read(self, whole: Any) -> None:
        """Take a reply that came at once."""
        choice = whole.choices[0]
        self._take(choice, choice.message)
        self._count(whole.usage)

    def pieces(self, events: Iterable[Any]) -> Iterator[str]:
        """The pieces of text of a stream.

        Raises:
            ValueError: it ended before its end.
        """
        for event in events:
            self._count(event.usage)
            for choice in event.choices[:1]:
                yield self._take(choice, choice.delta)
        if not self.finish:
            raise ValueError("the stream was cut")

    def _take(self, choice: Any, message: Any) -> str:
        piece = message.content or ""
        if not isinstance(piece, str):
            raise TypeError("not a text")
        self.text += piece
        self.refusal += message.refusal or ""
        self.finish = choice.finish_reason or self.finish
        return piece

    def _count(self, usage: Any) -> None:
        if usage is not None:
            self.tokens = (int(usage.prompt_tokens), int(usage.completion_tokens))


def _why_none(reply: _Reply, marks: Marks, max_tokens: int) -> str:
    """Why a reply is no answer; empty if it is one."""
    if SILENCE.fullmatch(reply.text):
        return "the model found no answer in the passages"
    if reply.finish == "length":
        return f"the reply was cut after {max_tokens} tokens; raise max_tokens in the prompt file"
    return "" if marks.cited else "the model cited no passage"


def _citation(hit: Hit) -> Citation:
    chunk = hit.chunk
    return Citation(chunk.id, chunk.document, chunk.title, chunk.heading, chunk.text)


@contextmanager
def _told(model: str) -> Iterator[None]:
    """Turn what goes wrong into one line that says what to do and quotes nothing that the service said."""
    try:
        yield
    except openai.OpenAIError as error:
        raise InputError(f"cannot ask {model}: {_reason(error)}") from None
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        mend = "check that the address is that of an OpenAI-compatible API, and ask again"
        raise InputError(f"cannot ask {model}: the reply was cut or makes no sense; {mend}") from error


def _reason(error: openai.OpenAIError) -> str:
    if isinstance(error, openai.APITimeoutError):
        return "no reply in time; ask again, or raise the timeout"
    if isinstance(error, openai.APIConnectionError):
        return "no connection; check the address and the network"
    if isinstance(error, openai.APIStatusError):
        code = f" {error.code}" if error.code and _CODE.fullmatch(error.code) else ""
        mend = MENDS.get(error.status_code, "ask again later" if error.status_code >= 500 else "check the request")
        return f"status {error.status_code}{code}; {mend}"
    return "the reply makes no sense; check the address and ask again"
