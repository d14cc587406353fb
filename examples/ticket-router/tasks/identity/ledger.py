"""Keeps a list of things as they are wanted, or only tells what is missing: the same code is the dry run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from .service import CloudError, Json


class State(Enum):
    """What is the matter with a thing."""

    THERE = "is there"
    MISSING = "would make"
    OTHER = "would change"
    MADE = "made"
    CHANGED = "changed"


class Ledger:
    """Says of each thing what is the matter with it, and mends it when it may."""

    def __init__(self, apply: bool) -> None:
        self.apply = apply

    def note(self, what: str, state: State) -> None:
        """Say it."""
        print(f"{state.value:<12}  {what}", flush=True)

    @contextmanager
    def about(self, what: str) -> Iterator[None]:
        """Name the thing in whatever goes wrong with it."""
        try:
            yield
        except CloudError as error:
            raise CloudError(f"{what}: {error}", error.code) from error

    def keep(
        self, what: str, find: Callable[[], Json | None], wanted: Json, write: Callable[[Json | None], Json]
    ) -> Json | None:
        """See to it that a thing is there as wanted. Returns it, or None when it is missing and nothing may be made.

        `write` gets what was found, and returns what is there then.

        Raises:
            CloudError: it cannot be read or written.
        """
        with self.about(what):
            found = find()
            if found is not None and holds(found, wanted):
                self.note(what, State.THERE)
                return found
            if not self.apply:
                self.note(what, State.MISSING if found is None else State.OTHER)
                return found
            made = write(found)
            self.note(what, State.MADE if found is None else State.CHANGED)
            return made


def holds(found: object, wanted: object) -> bool:
    """Whether all that is wanted is found; what a service adds does not count, nor does the order of a list."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(name in found and holds(found[name], wanted[name]) for name in wanted)
    if isinstance(wanted, list):
        return isinstance(found, list) and sorted(map(str, found)) == sorted(map(str, wanted))
    return found == wanted
