"""What writes an answer from passages: sentences word for word, or a language model."""

from __future__ import annotations

from ..chain import Answer

NO_ANSWER = "The documents hold no answer to this question."


def abstained(reason: str, model: str = "extractive", prompt: str = "", tokens: tuple[int, int] = (0, 0)) -> Answer:
    """The answer of a generator that has none."""
    return Answer(NO_ANSWER, (), "abstained", reason, model, prompt, *tokens)
