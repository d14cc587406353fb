"""What may be sent: a question, a rating. Everything else is refused with one reason."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from .. import feedback
from ..schema import LONGEST_QUESTION

LONGEST_COMMENT = 2_000


def sound(text: str) -> str:
    """A text that can be written as UTF-8: JSON can hold half a character.

    Raises:
        ValueError: it can't.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half a character") from None
    return text


def question(text: str) -> str:
    """A question without space around it.

    Raises:
        ValueError: it is empty or too long.
    """
    plain = sound(text).strip()
    if not 1 <= len(plain) <= LONGEST_QUESTION:
        raise ValueError(f"a question has 1 to {LONGEST_QUESTION} characters")
    return plain


class Asked(BaseModel):
    """The body of POST /chat."""

    model_config = ConfigDict(strict=True, extra="forbid")

    question: Annotated[str, AfterValidator(question)]
    stream: bool = True


class Rating(BaseModel):
    """The body of POST /feedback. id: made by the client, the same when it sends the rating again."""

    model_config = ConfigDict(strict=True, extra="forbid")

    id: str = Field(pattern=r"\A[\w-]{8,64}\z")
    answer: str = Field(pattern=r"\A[\w-]{8,64}\z")
    rating: feedback.Rating
    comment: Annotated[str, AfterValidator(sound)] = Field("", max_length=LONGEST_COMMENT)

    def rated(self) -> feedback.Rated:
        """The rating as it is kept."""
        return feedback.Rated(self.id, self.answer, self.rating, self.comment.strip())


def objection(error: RequestValidationError) -> tuple[int, str]:
    """The status and the reason for what is wrong first with a body."""
    first: dict[str, Any] = error.errors()[0]
    if first["type"] == "json_invalid":
        return 400, "the body is not JSON"
    where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    if first["type"] == "extra_forbidden":
        return 422, "the body has a field that nobody knows: see docs/serving.md"
    reason = first["msg"].removeprefix("Value error, ")
    return 422, f"{where[:80]}: {reason[:1].lower()}{reason[1:]}"
