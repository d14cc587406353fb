"""A service with OpenAI's interface on this computer, which the client talks to over HTTP as to the real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

Reply: TypeAlias = tuple[int, dict[str, str], dict[str, Any]]
# From the text of the user to the content of the answer, or to a whole reply: status, headers, body.
Answer: TypeAlias = Callable[[str], str | Reply]


@dataclass
class Service:
    """What the service has been asked, and how it answers."""

    answer: Answer
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    def texts(self) -> list[str]:
        """The texts that it was asked about, in the order of their arrival."""
        return [request["messages"][-1]["content"] for request in self.requests]


def completion(content: str) -> Reply:
    """A reply that holds `content`."""
    message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    return 200, {}, {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [message]}


def refusal(status: int, code: str, **headers: str) -> Reply:
    """A reply that says no."""
    return status, headers, {"error": {"message": f"refused with {code}", "type": code, "param": None, "code": code}}


@contextmanager
def serving(answer: Answer) -> Iterator[Service]:
    """A service that answers until the block ends."""
    service = Service(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send((200, {}, {"access_token": "token-of-an-identity", "expires_on": "99999999999"}))

        def do_POST(self) -> None:
            if not self.path.endswith("/chat/completions"):
                self._send(refusal(404, "unknown_path"))
                return
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.requests.append(request)
            service.authorizations.append(self.headers["Authorization"])
            replied = service.answer(request["messages"][-1]["content"])
            self._send(completion(replied) if isinstance(replied, str) else replied)

        def _send(self, reply: Reply) -> None:
            status, headers, body = reply
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": len(content)}.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
