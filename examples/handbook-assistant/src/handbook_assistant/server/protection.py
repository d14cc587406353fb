"""What stands before every route: who may call, how large a body may be, and what a browser may do with the reply.

It is plain ASGI, since it has to hold for errors too, and must not gather a stream. A body must be JSON by its header:
another site's form can't send that without asking first, and nobody here answers such a question (no CORS).
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)
# Who asks for these asks by the machine's address.
PROBES = ("/healthz", "/readyz")
# Seconds that a body may take to arrive.
PATIENCE = 15.0
# Who is still sending does not hear a reply. So a body is read before anything is refused, and one that is too large,
# up to so many times what is allowed, is forgotten as it comes.
DRAINED = 16
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class RefusedError(Exception):
    """A request that is not looked at. status: of HTTP. Its text is the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Protection:
    """An application behind its checks.

    Args:
        app: the application.
        largest: bytes of a body.
        hosts: names that it may be called by; any without them.
    """

    def __init__(self, app: ASGIApp, largest: int, hosts: Sequence[str] = ()) -> None:
        self._app = app
        self._largest = largest
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, and pass it on with its whole body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reply = _Reply(send)
        try:
            whole = await self._whole(scope, receive)
            self._check(scope)
            await self._app(scope, whole, reply)
        except RefusedError as error:
            await reply.refuse(error.status, str(error))
        except Exception:
            mark = secrets.token_hex(4)
            log.exception("error %s", mark)
            await reply.refuse(500, f"this should not have happened: tell the operator the number {mark}")

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if self._hosts and scope["path"] not in PROBES and _hostname(headers.get("host", "")) not in self._hosts:
            raise RefusedError(400, "this server is not called by that name: see its option --allow-host")
        kind = headers.get("content-type", "").partition(";")[0].strip()
        if scope["method"] == "POST" and kind != "application/json":
            raise RefusedError(415, "send JSON, with the header Content-Type: application/json")

    async def _whole(self, scope: Scope, receive: Receive) -> Receive:
        """What gives the body at once, after all of it has come."""
        if scope["method"] not in ("POST", "PUT", "PATCH", "DELETE"):
            return receive
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isascii() or not length.isdecimal() or int(length[:19]) > self._largest * DRAINED:
            raise self._too_large()
        try:
            async with asyncio.timeout(PATIENCE):
                first: Message | None = {"type": "http.request", "body": await self._body(receive), "more_body": False}
        except TimeoutError as error:
            raise RefusedError(408, "the request did not arrive in time: send it again") from error

        async def replay() -> Message:
            nonlocal first
            message, first = first, None
            return message or await receive()

        return replay

    async def _body(self, receive: Receive) -> bytes:
        body, size, more = bytearray(), 0, True
        while more and size <= self._largest * DRAINED:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400, "the request was cut")
            piece, more = message.get("body", b""), message.get("more_body", False)
            size += len(piece)
            if size <= self._largest:
                body += piece
        if size > self._largest:
            raise self._too_large()
        return bytes(body)

    def _too_large(self) -> RefusedError:
        return RefusedError(413, f"too long: a request has {self._largest} bytes at most")


class _Reply:
    """What sends a reply with the headers, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    async def refuse(self, status: int, reason: str) -> None:
        """Say no; a reply that has begun can only be cut."""
        if self._begun:
            raise ConnectionAbortedError(reason)
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": json.dumps(problem(reason)).encode()})


def problem(reason: str, kind: str = "invalid_request_error", code: str | None = None) -> dict[str, object]:
    """The body of a reply that says no, as OpenAI's clients know it."""
    return {"error": {"message": reason, "type": kind, "param": None, "code": code}}


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
