"""Threads that answer, and the line before them.

An answer waits for disks and services, so it is written in a thread, and handed item by item to the event loop. A
thread can't be stopped from outside: who no longer waits says so, and the thread ends at its next item. Until then
it keeps its place, so that there are never more threads, or more questions in memory, than were agreed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any, TypeVar

T = TypeVar("T")
_END = object()


class FullError(Exception):
    """All threads are busy and the line is as long as it may be."""


class Crew:
    """A number of threads, and a number of questions that may wait for one."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="answer")
        self._places = threads + waiting
        self._taken = 0

    def start(self, work: Callable[[], Iterator[T]], seconds: float) -> AsyncGenerator[T, None]:
        """The items of an iterator that is run through in a thread, as they come.

        Raises:
            FullError: there is no place.
            TimeoutError: while reading: the items take longer than `seconds` altogether, the wait included.
            Exception: while reading: what the work raises.
        """
        if self._taken >= self._places:
            raise FullError
        self._taken += 1
        loop = asyncio.get_running_loop()
        items: asyncio.Queue[Any] = asyncio.Queue()
        given_up = threading.Event()

        def tell(item: object) -> None:
            with suppress(RuntimeError):  # the loop has ended: nobody listens any more
                loop.call_soon_threadsafe(items.put_nowait, item)

        def leave(_: object) -> None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._leave)

        self._pool.submit(_run, work, tell, given_up).add_done_callback(leave)
        return _read(items, given_up, loop.time() + seconds)

    def _leave(self) -> None:
        self._taken -= 1

    def close(self) -> None:
        """Take no more work; what is being answered ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _run(work: Callable[[], Iterator[T]], tell: Callable[[object], None], given_up: threading.Event) -> None:
    try:
        with closing(_as_generator(work)) as items:
            for item in items:
                tell(item)
                if given_up.is_set():
                    return
    except Exception as error:  # raised again where the items are read
        tell(error)
    else:
        tell(_END)


def _as_generator(work: Callable[[], Iterator[T]]) -> Any:
    """What can be closed, so that a stream of a service ends with it."""
    yield from work()


async def _read(items: asyncio.Queue[Any], given_up: threading.Event, deadline: float) -> AsyncGenerator[Any, None]:
    try:
        while True:
            async with asyncio.timeout_at(deadline):
                item = await items.get()
            if item is _END:
                return
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        given_up.set()
