"""A language model and a content filter on this computer, behind the REST APIs of OpenAI and of Azure."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from loopback import Answer, Request, Service

TOKEN = "the-secret-token"  # noqa: S105
STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}
# Attempts come at once where a service says so in milliseconds.
BUSY = Answer({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429, {"retry-after-ms": "1"})
BUSY_SECONDS = Answer({"error": {"code": "TooManyRequests"}}, 429, {"Retry-After": "0"})
BROKEN = Answer({"error": {"message": "internal error"}}, 500, {"retry-after-ms": "1"})
FILTERED = Answer({"error": {"message": "filtered", "code": "content_filter"}}, 400)
WEB_PAGE = Answer(b"<html><body>Sign in</body></html>", 200, {"Content-Type": "text/html"})
NOT_JSON = Answer(b'{"choices": [{"mess')


class ModelService(Service):
    """Replies `reply` to each question, in pieces where a stream is asked for.

    delay: seconds before each reply. tokens: those that are let in.
    """

    def __init__(self, reply: str = "", delay: float = 0) -> None:
        super().__init__()
        self.reply = reply
        self.delay = delay
        self.tokens = {TOKEN}

    def answer(self, request: Request) -> Answer:
        time.sleep(self.delay)
        sent = token(request)
        if request.method != "POST":
            return Answer({"error": {"code": "NotFound"}}, 404)
        if sent not in self.tokens:
            return Answer({"error": {"message": f"Incorrect key: {sent}", "code": "invalid_api_key"}}, 401)
        return self._chat(request.body) if request.path.endswith("/chat/completions") else _safety(request)

    def _chat(self, body: Any) -> Answer:
        if body["model"] != "tiny":
            return Answer({"error": {"message": "no such model", "code": "DeploymentNotFound"}}, 404)
        if body.get("stream"):
            pieces = [self.reply[start : start + 3] for start in range(0, len(self.reply), 3)]
            return stream(pieces, usage=bool(body["stream_options"]["include_usage"]))
        return completion(self.reply)


def token(request: Request) -> str:
    """The token that a client sent."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return headers.get("authorization", "").removeprefix("Bearer ")


def completion(text: str | None, finish: str = "stop", **message: object) -> Answer:
    """A whole reply."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
    return Answer({**_head("chat.completion"), "choices": [choice], "usage": _usage()})


def stream(pieces: Sequence[str], finish: str | None = "stop", usage: bool = True) -> Answer:
    """A reply in pieces; without `finish` one that was cut."""
    deltas: list[Any] = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]
    choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    if finish is not None:
        choices.append([{"index": 0, "delta": {}, "finish_reason": finish}])
    events: list[Any] = [{**_head("chat.completion.chunk"), "choices": each, "usage": None} for each in choices]
    if usage and finish is not None:
        events.append({**_head("chat.completion.chunk"), "choices": [], "usage": _usage()})
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return Answer("".join([*lines, "data: [DONE]\n\n"] if finish is not None else lines).encode(), 200, STREAM)


def _head(kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "tiny"}


def _usage() -> dict[str, int]:
    return {"prompt_tokens": 120, "completion_tokens": 7, "total_tokens": 127}


def _safety(request: Request) -> Answer:
    if request.query.get("api-version") != ["2024-09-01"]:
        return Answer({"error": {"code": "InvalidRequest"}}, 400)
    if request.path == "/contentsafety/text:analyze":
        severity = 4 if "poison" in request.body["text"] else 0
        names = ("Hate", "SelfHarm", "Sexual", "Violence")
        found = [{"category": name, "severity": severity if name == "Violence" else 0} for name in names]
        return Answer({"blocklistsMatch": [], "categoriesAnalysis": found})
    return _shield(request.body)


def _shield(body: Any) -> Answer:
    return Answer(
        {
            "userPromptAnalysis": {"attackDetected": "Ignore" in body["userPrompt"]},
            "documentsAnalysis": [{"attackDetected": "Ignore" in text} for text in body["documents"]],
        }
    )
