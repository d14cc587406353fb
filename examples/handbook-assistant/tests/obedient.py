"""A language model that does what its prompt says, and no more.

It says the sentence that holds most of the question's words. It gives the number of its passage only when it is told
to, and says that there is no answer only when it is told to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from handbook_assistant import words

# Number, mark and text of a passage, without the line that says where it is from.
PASSAGE = re.compile(r"^passage (\d+) (\w+)\n.*?\n\n(.*?)^end \2$", re.DOTALL | re.MULTILINE)


def reply(messages: Sequence[dict[str, str]]) -> str:
    """What the model says to a system message and a user message."""
    system, user = (message["content"] for message in messages)
    asked = set(words.content(user.rpartition("Question:")[2]))
    sentences = [
        (number, one) for number, _, text in PASSAGE.findall(user) for one in re.split(r"(?<=[.!?])\s+|\n", text)
    ]
    held = [(_fit(asked, one), int(number), one.strip()) for number, one in sentences]
    most, number, best = max(held, key=lambda each: each[0], default=(0.0, 0, "I have read nothing."))
    if most <= 0 and "NO ANSWER" in system:
        return "NO ANSWER"
    return f"{best} [{number}]" if "[1]" in system else best


def _fit(asked: set[str], sentence: str) -> float:
    """How many of the words that are asked about a sentence holds; of two, the shorter one fits better."""
    said = words.content(sentence)
    return len(asked & set(said)) - len(said) / 20
