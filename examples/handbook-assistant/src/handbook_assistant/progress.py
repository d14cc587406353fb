"""What the person at the terminal sees: stages with their times, bars where there is something to count.

All of it goes to standard output. Standard error holds nothing but the one line of an error, so that a
script can tell them apart.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

console = Console(highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """Print one line, as it is: square brackets are text here, not markup."""
    console.print(message, markup=False)


@contextmanager
def importing() -> Iterator[None]:
    """Import many modules in the block without looking for garbage meanwhile, which is a sixth of the time.

    What is imported stays, so later only what is newer is looked through.
    """
    modules, was_enabled = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > modules:
            gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Show `title` with a spinner while the block runs, then with the seconds it took."""
    start = time.perf_counter()
    with console.status(title):
        yield
    say(f"{title} · {time.perf_counter() - start:.1f} s")


@contextmanager
def counter(title: str) -> Iterator[Callable[[int], None]]:
    """Count work whose length becomes known on the way: the block calls what it gets with each amount done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda amount: progress.advance(task, amount)
