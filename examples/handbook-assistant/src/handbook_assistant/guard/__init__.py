"""What may come in and what may go out. A guard is anything with `check(text)`, a module or an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Verdict:
    """What a guard says.

    reason: what was found, never quoting it; empty when the text is allowed.
    text: what may be stored: the text as it came, or with personal data masked.
    """

    allowed: bool
    reason: str
    text: str


class Guard(Protocol):
    """What looks at a text."""

    def check(self, text: str) -> Verdict:
        """Whether the text may pass.

        Raises:
            InputError: a service that has to be asked can't be reached. The text must not pass then.
        """
