"""A small Databricks on this computer, so that the real clients run against it.

It listens on 127.0.0.1 over plain HTTP; `running` yields the environment variables that lead the clients of MLflow
and Databricks there and nowhere else, so their sign-in, their retries and their uploads run as they are. It keeps
what it is given and knows as much of the REST interface as files and registered models need; `route` adds to that.
It does not know Databricks' rules.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "stub"  # noqa: S105 - opens nothing


@dataclass
class Request:
    """A request as the service sees it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Answer:
    """What goes back: JSON unless `content` says otherwise."""

    status: int = 200
    body: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        """The bytes of the body."""
        if self.content is not None:
            return self.content
        return b"" if self.body is None else json.dumps(self.body).encode()


MODIFIED = {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
Handler = Callable[[Request, re.Match[str]], Answer]


def refusal(status: int, code: str, message: str) -> Answer:
    """An error as Databricks says it."""
    return Answer(status, {"error_code": code, "message": message})


def missing(what: str) -> Answer:
    """The answer to who asks for what is not there."""
    return refusal(404, "RESOURCE_DOES_NOT_EXIST", f"{what} does not exist")


class Databricks:
    """The workspace: what it answers, and every request in order."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        # Looks at a request before it is served: an answer replaces the service's.
        self.intercept: Callable[[Request], Answer | None] = lambda _: None
        # Looks at a request that was served: True loses the answer on its way back.
        self.lose: Callable[[Request], bool] = lambda _: False
        self.routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self.lock = threading.RLock()
        self.files = Files(self)
        self.catalog = Catalog(self)
        # What clients ask a host about itself before anything else.
        about = {"oidc_endpoint": "", "workspace_id": "1"}
        self.route("GET", r"/\.well-known/databricks-config")(lambda *_: Answer(body=about))

    def route(self, method: str, pattern: str) -> Callable[[Handler], Handler]:
        """Let a function `handler(request, match)` answer the paths that a pattern matches as a whole.

        The latest that matches answers.
        """

        def add(handler: Handler) -> Handler:
            self.routes.insert(0, (method, re.compile(pattern), handler))
            return handler

        return add

    def calls(self, method: str, part: str) -> list[Request]:
        """The requests of a method whose path holds `part`."""
        return [request for request in self.requests if request.method == method and part in request.path]

    def answer(self, request: Request) -> Answer:
        """Keep a request and answer it. An interceptor may take its time."""
        self.requests.append(request)
        return self.intercept(request) or self.serve(request)

    def serve(self, request: Request) -> Answer:
        """Do what is asked. One after another, so that handlers need no locks."""
        for method, pattern, handler in self.routes:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                with self.lock:
                    return handler(request, match)
        return refusal(404, "ENDPOINT_NOT_FOUND", f"No API found for '{request.method} {request.path}'")

    @contextmanager
    def running(self) -> Iterator[dict[str, str]]:
        """Listen, and yield the environment variables with which a process talks to this Databricks."""
        handler = type("Handler", (_Handler,), {"databricks": self})
        with _Server(("127.0.0.1", 0), handler) as server:
            self.url = f"http://127.0.0.1:{server.server_address[1]}"
            # Ends as soon as it is told to: the default looks twice a second.
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            yield {"DATABRICKS_HOST": self.url, "DATABRICKS_TOKEN": TOKEN, "DATABRICKS_AUTH_TYPE": "pat"}
            server.shutdown()


class Files:
    """The Files API: what lies below /Volumes and /Models, by path."""

    def __init__(self, databricks: Databricks) -> None:
        self.databricks = databricks
        self.contents: dict[str, bytes] = {}
        databricks.route("POST", r"/api/2\.0/fs/create-download-url")(self._sign)
        databricks.route("GET", r"/signed(/.+)")(self._read)
        databricks.route("PUT", r"/api/2\.0/fs/files(/.+)")(self._write)
        databricks.route("GET", r"/api/2\.0/fs/files(/.+)")(self._read)
        databricks.route("HEAD", r"/api/2\.0/fs/directories(/.+)")(self._is_folder)
        databricks.route("GET", r"/api/2\.0/fs/directories(/.+)")(self._list)

    def below(self, folder: str) -> dict[str, bytes]:
        """The files of a folder by their path inside it."""
        prefix = f"{folder.rstrip('/')}/"
        found = {path: content for path, content in self.contents.items() if path.startswith(prefix)}
        return {path.removeprefix(prefix): content for path, content in found.items()}

    def _sign(self, request: Request, _: re.Match[str]) -> Answer:
        """An address in the storage that needs no sign-in."""
        return Answer(body={"url": f"{self.databricks.url}/signed{request.query['path']}", "headers": []})

    def _write(self, request: Request, match: re.Match[str]) -> Answer:
        self.contents[match[1]] = request.body
        return Answer(204)

    def _read(self, _: Request, match: re.Match[str]) -> Answer:
        content = self.contents.get(match[1])
        if content is None:
            return refusal(404, "NOT_FOUND", f"The file {match[1]} is not found")
        return Answer(content=content, headers={"Content-Type": "application/octet-stream", **MODIFIED})

    def _is_folder(self, _: Request, match: re.Match[str]) -> Answer:
        return Answer(200 if self.below(match[1]) else 404)

    def _list(self, _: Request, match: re.Match[str]) -> Answer:
        folder = match[1].rstrip("/")
        found = self.below(folder)
        if not found:
            return refusal(404, "NOT_FOUND", f"The directory {folder} is not found")
        names = sorted({path.split("/")[0] for path in found})
        return Answer(body={"contents": [self._entry(f"{folder}/{name}", found.get(name)) for name in names]})

    @staticmethod
    def _entry(path: str, content: bytes | None) -> dict[str, Any]:
        entry = {"path": path, "name": path.rsplit("/", 1)[-1], "is_directory": content is None}
        return entry if content is None else {**entry, "file_size": len(content)}


class Catalog:
    """Unity Catalog's schemas and registered models, as MLflow's client asks for them."""

    def __init__(self, databricks: Databricks) -> None:
        self.schemas: set[str] = set()
        self.models: dict[str, dict[str, Any]] = {}
        # Of each model: a number is never given twice, not even after its version was deleted.
        self.versions: dict[str, dict[str, dict[str, Any]]] = {}
        # As many versions does the service list at once.
        self.page = 4
        databricks.route("GET", r"/api/2\.1/unity-catalog/schemas/(.+)")(self._schema)
        for method, path, handler in (
            ("GET", "registered-models/get", self._get_model),
            ("POST", "registered-models/alias", self._set_alias),
            ("GET", "model-versions/search", self._search),
            ("GET", "model-versions/get", self._get),
            ("POST", "model-versions/create", self._create),
            ("POST", "model-versions/finalize", self._finalize),
            ("POST", "model-versions/set-tag", self._set_tag),
            ("DELETE", "model-versions/delete", self._delete),
            ("POST", "model-versions/emit-lineage", lambda *_: Answer(body={})),
        ):
            databricks.route(method, rf"/api/2\.0/mlflow/unity-catalog/{re.escape(path)}")(handler)

    def deploy(self, model: str) -> None:
        """Make a schema and a model without versions, as a bundle does."""
        self.schemas.add(model.rpartition(".")[0])
        self.models[model] = {"name": model, "aliases": []}
        self.versions[model] = {}

    def _schema(self, _: Request, match: re.Match[str]) -> Answer:
        if match[1] not in self.schemas:
            return refusal(404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{match[1]}' does not exist.")
        catalog, name = match[1].split(".")
        return Answer(body={"full_name": match[1], "catalog_name": catalog, "name": name})

    def _get_model(self, request: Request, _: re.Match[str]) -> Answer:
        asked = _asked(request)
        model = self.models.get(asked["name"])
        return Answer(body={"registered_model": model}) if model else _no_model(asked["name"])

    def _set_alias(self, request: Request, _: re.Match[str]) -> Answer:
        asked = request.json
        if self._version(asked) is None:
            return _no_version(asked)
        model = self.models[asked["name"]]
        others = [entry for entry in model["aliases"] if entry["alias"] != asked["alias"]]
        model["aliases"] = [*others, {"alias": asked["alias"], "version": asked["version"]}]
        return Answer(body={})

    def _search(self, request: Request, _: re.Match[str]) -> Answer:
        asked = _asked(request)
        name = asked["filter"].partition("=")[2].strip().strip("'")
        if name not in self.models:
            return _no_model(name)
        listed = [version for version in reversed(self.versions[name].values()) if version]
        start = int(asked.get("page_token") or 0)
        end = start + self.page
        more = {"next_page_token": str(end)} if end < len(listed) else {}
        # What the service lists comes without tags and aliases.
        plain = [{key: value for key, value in version.items() if key != "tags"} for version in listed[start:end]]
        return Answer(body={"model_versions": plain, **more})

    def _get(self, request: Request, _: re.Match[str]) -> Answer:
        asked = _asked(request)
        version = self._version(asked)
        return Answer(body={"model_version": version}) if version else _no_version(asked)

    def _create(self, request: Request, _: re.Match[str]) -> Answer:
        asked = request.json
        if asked["name"] not in self.models:
            return _no_model(asked["name"])
        versions = self.versions[asked["name"]]
        number = str(len(versions) + 1)
        versions[number] = {**asked, "version": number, "status": "PENDING_REGISTRATION"}
        return Answer(body={"model_version": versions[number]})

    def _finalize(self, request: Request, _: re.Match[str]) -> Answer:
        version = self._version(request.json)
        if version is None:
            return _no_version(request.json)
        version["status"] = "READY"
        return Answer(body={"model_version": version})

    def _set_tag(self, request: Request, _: re.Match[str]) -> Answer:
        asked = request.json
        version = self._version(asked)
        if version is None:
            return _no_version(asked)
        others = [tag for tag in version.get("tags", []) if tag["key"] != asked["key"]]
        version["tags"] = [*others, {"key": asked["key"], "value": asked["value"]}]
        return Answer(body={})

    def _delete(self, request: Request, _: re.Match[str]) -> Answer:
        asked = _asked(request)
        if self._version(asked) is None:
            return _no_version(asked)
        self.versions[asked["name"]][asked["version"]] = {}
        return Answer(body={})

    def _version(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        return self.versions.get(asked["name"], {}).get(asked["version"]) or None


def _asked(request: Request) -> dict[str, Any]:
    """What a request names, in its address or in its body."""
    return {**request.query, **(request.json if request.body else {})}


def _no_model(name: str) -> Answer:
    return missing(f"Routine or Model '{name}'")


def _no_version(asked: dict[str, Any]) -> Answer:
    return missing(f"Model Version '{asked['name']}/{asked['version']}'")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise an answer waits for the client to confirm its first packet.
    wbufsize = -1
    databricks: Databricks

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(self.command, unquote(parts.path), query, headers, self._body(headers))
        answer = self.databricks.answer(request)
        if self.databricks.lose(request):
            self.close_connection = True
            return
        self._send(answer)

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, answer: Answer) -> None:
        payload = answer.payload()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class looks for them

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Nothing: the requests are kept."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error; anything else is one of this file."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
