"""The routes. Everything before them is in `protection`, everything behind them in `desk`.

A stream's first item is waited for, so that what goes wrong before it has its proper status; what goes wrong later is
an event of the stream. Its last event is the whole answer: who showed the pieces replaces them by its text, which a
guard may have taken back.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..errors import InputError
from ..feedback import ConflictError, Store, UnknownError
from . import responses
from .asked import Asked, Rating, objection
from .asker import groups
from .crew import Crew, FullError
from .desk import Answering, Desk, Told
from .protection import Protection, RefusedError, problem

log = logging.getLogger(__name__)
PAGE = Path(__file__).parent / "page"
# Seconds after which a client may try again when all places are taken.
RETRY = 5
SERVICE = "a service that writes or finds answers can't be used now: ask again later; the operator's log says why"


@dataclass(frozen=True)
class Options:
    """What an operator decides.

    groups_header: the header in which a proxy tells the asker's groups; without it everybody is `everyone`.
    hosts: names that the server may be called by; any without them.
    threads: answers that are written at once. waiting: questions that may wait for that.
    seconds: for an answer, the wait included.
    largest: bytes of a request.
    """

    groups_header: str | None = None
    hosts: Sequence[str] = ()
    threads: int = 8
    waiting: int = 64
    seconds: float = 120
    largest: int = 65_536


def create(chain: Answering, version: str, store: Store, options: Options = Options()) -> FastAPI:
    """The server's application.

    Args:
        chain: what answers; several threads use it at once.
        version: of its model.
        store: where answers and ratings are kept; closed with the application.
    """
    crew = Crew(options.threads, options.waiting)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        crew.close()
        store.close()

    app = FastAPI(title="Answers from documents", version=version, docs_url=None, redoc_url=None, lifespan=life)
    app.add_middleware(Protection, largest=options.largest, hosts=options.hosts)
    _explain(app)
    _answer(app, Desk(chain, version, store), crew, options)
    _rate(app, store)
    _tell(app, version, store)
    app.mount("/static", StaticFiles(directory=PAGE))
    return app


def _answer(app: FastAPI, desk: Desk, crew: Crew, options: Options) -> None:
    def start(request: Request, question: str, whole: bool) -> AsyncGenerator[str | Told, None]:
        asker = groups(request.headers, options.groups_header)
        return crew.start(partial(desk.ask, question, asker, whole), options.seconds)

    @app.post("/chat")
    async def chat(asked: Asked, request: Request) -> Response:
        items = start(request, asked.question, whole=not asked.stream)
        first = await anext(items)
        if isinstance(first, Told):
            await items.aclose()
        if isinstance(first, Told) and not asked.stream:
            return JSONResponse(content(first))
        return _stream(_told(_from(first, items)))

    @app.post("/responses")
    async def respond(asked: responses.Request, request: Request) -> Response:
        items = start(request, asked.question(), whole=True)
        if asked.stream:
            return _stream(_typed(responses.events(_answers(items))))
        return JSONResponse(responses.response(responses.fresh(), await anext(_answers(items))))


def _rate(app: FastAPI, store: Store) -> None:
    @app.post("/feedback")
    def rate(rating: Rating) -> dict[str, str]:
        store.rate(rating.rated())
        log.info("%s", json.dumps({"event": "feedback", "answer": rating.answer, "rating": rating.rating}))
        return {"id": rating.id}


def _tell(app: FastAPI, version: str, store: Store) -> None:
    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    def readyz() -> dict[str, str]:
        store.check()
        return {"status": "ready", "version": version}


def _explain(app: FastAPI) -> None:
    """Every way to fail has a status and one sentence."""

    def handle(kind: Any, status: int, reason: str, **headers: str) -> None:
        async def reply(_: Request, error: Exception) -> Response:
            log.warning("%s: %s", type(error).__name__, error)
            return JSONResponse(problem(reason, "server_error"), status, headers)

        app.add_exception_handler(kind, reply)

    def refuse(kind: Any, status: int) -> None:
        async def reply(_: Request, error: Exception) -> Response:
            return JSONResponse(problem(str(error)), getattr(error, "status", status))

        app.add_exception_handler(kind, reply)

    handle(InputError, 502, SERVICE)
    handle(sqlite3.Error, 503, "nothing can be kept now: try again later; the operator's log says why")
    handle(FullError, 503, "too many questions at once: ask again in a moment", **{"Retry-After": str(RETRY)})
    handle(TimeoutError, 504, "the answer takes too long: ask again later")
    for kind, status in ((RefusedError, 400), (UnknownError, 404), (ConflictError, 409)):
        refuse(kind, status)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        status, reason = objection(error)
        return JSONResponse(problem(reason), status)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Response:
        return JSONResponse(problem(str(error.detail)), error.status_code, error.headers)


def content(told: Told) -> dict[str, Any]:
    """An answer as JSON."""
    answer = asdict(told.answer)
    answer["citations"] = list(answer["citations"])
    return {"id": told.id, "version": told.version, **answer}


def _stream(events: AsyncIterator[str]) -> Response:
    # The second header keeps nginx from gathering the events.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _from(first: str | Told, items: AsyncGenerator[str | Told, None]) -> AsyncIterator[str | Told]:
    yield first
    async for item in items:
        yield item


async def _answers(items: AsyncGenerator[str | Told, None]) -> AsyncIterator[Told]:
    async for item in items:
        if isinstance(item, Told):
            yield item


async def _told(items: AsyncIterator[str | Told]) -> AsyncIterator[str]:
    """Events `piece`, then `answer` or `error`."""
    try:
        async for item in items:
            if isinstance(item, str):
                yield event("piece", {"text": item})
            else:
                yield event("answer", content(item))
    except Exception as error:
        yield event("error", problem(_reason(error), "server_error"))


async def _typed(events: AsyncIterator[responses.Event]) -> AsyncIterator[str]:
    try:
        async for each in events:
            yield event(each["type"], each)
    except Exception as error:
        yield event("error", {"type": "error", **problem(_reason(error), "server_error")})


def _reason(error: Exception) -> str:
    """What to say when it is too late for a status."""
    if isinstance(error, TimeoutError):
        return "the answer takes too long: ask again later"
    if isinstance(error, InputError):
        log.warning("InputError: %s", error)
        return SERVICE
    log.error("a stream broke", exc_info=error)
    return "this should not have happened: ask again, or tell the operator"


def event(name: str, data: object) -> str:
    """A server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
