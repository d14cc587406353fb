"""The Responses API of OpenAI, as far as a question and its answer need it.

A client of it can't take text back. So its stream begins at once but holds text only after the guards have seen the
whole answer. Questions stand alone: of a conversation the last message of the user is answered. What the chain
decides (model, instructions, tools, temperature) may be sent and is not looked at.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from .asked import question
from .desk import Told

Event = dict[str, Any]
# Letters of a delta, about as many as a line has.
PIECE = 80
_MARK = re.compile(r"\[(\d{1,3})\]")


class Part(BaseModel):
    """A part of a message; those that are no text count for nothing."""

    type: str = "input_text"
    text: str = ""


class Message(BaseModel):
    """A message, or another item of a conversation, which has no role."""

    role: str = ""
    content: str | list[Part] = ""

    def text(self) -> str:
        """The text of its parts."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if part.type in ("input_text", "text"))


def _asked(given: str | list[Message]) -> str:
    """The question: all of a text, or the last message of the user."""
    if isinstance(given, str):
        return question(given)
    return question(next((message.text() for message in reversed(given) if message.role == "user"), ""))


class Request(BaseModel):
    """A request of the Responses API."""

    model_config = ConfigDict(extra="ignore")

    input: Annotated[str | list[Message], AfterValidator(_asked)]
    stream: bool = False
    previous_response_id: Literal[None] = None

    def question(self) -> str:
        """What is asked."""
        return str(self.input)


def fresh() -> str:
    """What a response is called; its answer has an id of its own, which comes later."""
    return secrets.token_hex(16)


def response(identity: str, told: Told) -> Event:
    """The whole answer as a response."""
    answer = told.answer
    return _response(identity, "completed") | {
        "output": [_item(identity, "completed", [_part(told)])],
        "metadata": {
            "answer_id": told.id,
            "outcome": answer.outcome,
            "reason": answer.reason[:512],
            "version": told.version,
            "prompt": answer.prompt,
        },
        "model": answer.model or "none",
        "usage": {
            "input_tokens": answer.tokens_in,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answer.tokens_out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": answer.tokens_in + answer.tokens_out,
        },
    }


async def events(told: AsyncIterator[Told]) -> AsyncIterator[Event]:
    """The events of a stream, in their order and numbered."""
    identity, number = fresh(), 0
    yield {"type": "response.created", "response": _response(identity, "in_progress"), "sequence_number": number}
    async for each in told:
        for event in said(identity, each):
            number += 1
            yield event | {"sequence_number": number}


def said(identity: str, told: Told) -> Iterator[Event]:
    """The events of an answer, without their numbers."""
    part = _part(told)
    item = _item(identity, "completed", [part])
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    yield {"type": "response.output_item.added", "output_index": 0, "item": _item(identity, "in_progress", [])}
    yield {"type": "response.content_part.added", **place, "part": part | {"text": "", "annotations": []}}
    for start in range(0, len(part["text"]), PIECE):
        piece = part["text"][start : start + PIECE]
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": response(identity, told)}


def _response(identity: str, status: str) -> Event:
    return {
        "id": f"resp_{identity}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "",
        "output": [],
        "parallel_tool_calls": False,
        "temperature": None,
        "tool_choice": "none",
        "tools": [],
        "top_p": None,
    }


def _item(identity: str, status: str, content: list[Event]) -> Event:
    return {"id": f"msg_{identity}", "type": "message", "role": "assistant", "status": status, "content": content}


def _part(told: Told) -> Event:
    """The text, with a citation where each mark stands."""
    citations = told.answer.citations
    marks = [(found.start(), int(found[1])) for found in _MARK.finditer(told.answer.text)]
    annotations = [
        {
            "type": "file_citation",
            "file_id": citations[number - 1].chunk,
            "filename": citations[number - 1].document,
            "index": place,
        }
        for place, number in marks
        if 1 <= number <= len(citations)
    ]
    return {"type": "output_text", "text": told.answer.text, "annotations": annotations, "logprobs": []}
