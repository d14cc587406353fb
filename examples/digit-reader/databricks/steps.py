"""Makes things one after another, or only tells what it would make; and says in one line which right is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import submit

from digit_reader.errors import InputError

Made = TypeVar("Made")


@dataclass(frozen=True)
class Steps:
    """Makes and changes things and tells so, or only tells what it would do."""

    dry: bool

    def ensure(self, what: str, found: Made | None, make: Callable[[], Made]) -> Made | None:
        """What is there, or was made now; nothing in a dry run that would make it."""
        if found is None:
            return self.take(what, "created", make)
        submit.say(f"{what} is there already")
        return found

    def hold(self, what: str, holds: bool, make: Callable[[], object], done: str = "created") -> None:
        """Make something true that can be looked up only as true or not."""
        if holds:
            submit.say(f"{what} is there already")
        else:
            self.take(what, done, make)

    def take(self, what: str, done: str, action: Callable[[], Made]) -> Made | None:
        """Do it, unless this is a dry run."""
        if self.dry:
            submit.say(f"{what} would be {done}")
            return None
        result = action()
        submit.say(f"{what} {done}")
        return result


@contextmanager
def needing(right: str) -> Iterator[None]:
    """Name the right that is needed where Databricks refuses, and the mend where something belongs to somebody else.

    Raises:
        InputError: the caller lacks the right, or a name is taken by what the caller cannot see.
    """
    from databricks.sdk.errors import PermissionDenied
    from databricks.sdk.errors.base import DatabricksError

    try:
        yield
    except PermissionDenied as error:
        raise InputError(f"Databricks refused: you must be {right}, see docs/platform.md ({error})") from error
    except DatabricksError as error:
        if "ALREADY_EXISTS" not in (error.error_code or ""):
            raise
        raise InputError(
            f"{error}: it is there, and not open to this workspace or to you; its owner must bind it to the workspace, "
            "or give it another name in databricks.yml"
        ) from error


def check_place(what: str, found: str | None, ours: str) -> None:
    """Make sure that what is there already leads to where ours does.

    Raises:
        InputError: it leads elsewhere. Changed, it would take somebody's data away.
    """
    if not equal(found, ours):
        raise InputError(
            f"{what} is there and leads to {found}, not to {ours}: another project has the name, or the infrastructure "
            "was made anew; rename or remove it in Catalog Explorer"
        )


def equal(found: str | None, ours: str) -> bool:
    """Whether two addresses or resource ids are the same, for which letter case does not count."""
    return (found or "").rstrip("/").casefold() == ours.rstrip("/").casefold()
