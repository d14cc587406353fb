"""A small Azure on this computer, so that the real SDK runs against it: sign-in, resource manager, blob storage.

It stands in as an HTTPS proxy: every host that the SDK calls ends here, over TLS with a certificate made for the
test, and the clients, their credentials, their retries and their upload run as they are. It keeps what it is given
and knows as much of the REST interface as models, assets and jobs need. It does not know Azure's rules.
"""

from __future__ import annotations

import json
import re
import socketserver
import ssl
import sys
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = "rg-stub"
WORKSPACE = "mlw-stub"
ROOT = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.MachineLearningServices"
    f"/workspaces/{WORKSPACE}"
)
SERVICE = "stub.api.azureml.ms"
HOSTS = ("management.azure.com", "login.microsoftonline.com", "*.blob.core.windows.net", "*.api.azureml.ms")
VERSIONED = re.compile(rf"{re.escape(ROOT)}/(\w+)/([^/]+)/versions(?:/([^/]+))?$")
CONTAINER = re.compile(rf"{re.escape(ROOT)}/(models|data|environments|components|codes)/([^/]+)$")


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


@dataclass
class Request:
    """A request as the server behind the TLS connection sees it."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def missing(what: str) -> Answer:
    """A 404 as the resource manager says it."""
    return Answer(404, {"error": {"code": "UserError", "message": f"Not found: {what}"}})


class Azure:
    """The state: resources by path, blobs by name, and every request in order."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.blobs: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.requests: list[Request] = []
        # Looks at a request before it is served: an answer replaces the service's.
        self.intercept: Callable[[Request], Answer | None] = lambda _: None
        # Looks at a request that was served: True loses the answer on its way back.
        self.lose: Callable[[Request], bool] = lambda _: False
        # What becomes of a job, at once, and what it does before that.
        self.job_status = "Completed"
        self.on_job: Callable[[Request], None] = lambda _: None
        self.lock = threading.RLock()

    def calls(self, method: str, part: str) -> list[Request]:
        """The requests of a method whose path holds `part`."""
        return [request for request in self.requests if request.method == method and part in request.path]

    def versions(self, kind: str, name: str) -> dict[str, dict[str, Any]]:
        """The stored versions of an asset by version."""
        prefix = f"{ROOT}/{kind}/{name}/versions/"
        return {path.removeprefix(prefix): body for path, body in self.resources.items() if path.startswith(prefix)}

    def answer(self, request: Request) -> Answer:
        """Keep a request and answer it. An interceptor may take its time."""
        self.requests.append(request)
        return self.intercept(request) or self.serve(request)

    def serve(self, request: Request) -> Answer:
        """Do what is asked. One after another, so that handlers need no locks."""
        with self.lock:
            if request.host.startswith("login."):
                return _sign_in(request)
            if ".blob." in request.host:
                return self._blob(request)
            if request.host.endswith("api.azureml.ms"):
                return self._workspace_service(request)
            return self._resource(request)

    def _resource(self, request: Request) -> Answer:
        if not request.path.startswith(ROOT):
            return missing(request.path)
        if request.path == ROOT:
            return Answer(body=_workspace())
        if request.path.startswith(f"{ROOT}/datastores"):
            return self._datastore(request)
        if request.path.endswith("/startPendingUpload"):
            return Answer(body={"blobReferenceForConsumption": _upload(request.path.split("/")[-4])})
        if request.method == "PUT":
            return self._put(request)
        match = VERSIONED.match(request.path)
        if match and not match[3]:
            return self._known_code(request) if match[1] == "codes" else self._list(match[1], match[2])
        container = CONTAINER.match(request.path)
        if container:
            return self._container(container[1], container[2])
        found = self.resources.get(request.path)
        return Answer(body=found) if found else missing(request.path)

    def _workspace_service(self, request: Request) -> Answer:
        """The part of the workspace that knows how a job is doing."""
        if request.path.startswith("/discovery"):
            return Answer(body={"api": f"https://{SERVICE}", "history": f"https://{SERVICE}"})
        run = re.search(r"/runs/([^/]+)/details$", request.path)
        if run is None:
            return missing(request.path)
        return Answer(body={"runId": run[1], "status": self.job_status, "logFiles": {}})

    def _put(self, request: Request) -> Answer:
        match = VERSIONED.match(request.path)
        stored = self.resources.get(request.path)
        if match and match[1] == "models" and stored and _uri(stored) != _uri(request.json):
            return Answer(409, {"error": {"code": "UserError", "message": "this version has another path"}})
        body = {**request.json, "id": request.path, "name": request.path.rsplit("/", 1)[-1]}
        # One second after another, so that the newest is known.
        created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(self.requests))
        body["systemData"] = {"createdAt": stored["systemData"]["createdAt"] if stored else created.isoformat()}
        if match and match[1] == "models":
            body["properties"].setdefault("flavors", {})
        if f"{ROOT}/jobs/" in request.path:
            body["properties"] |= {"status": self.job_status, "services": {"Studio": {"endpoint": "https://studio"}}}
            self.on_job(request)
        self.resources[request.path] = body
        return Answer(200 if stored else 201, body)

    def _list(self, kind: str, name: str) -> Answer:
        found = self.versions(kind, name)
        return Answer(body={"value": list(found.values())}) if found else missing(name)

    def _known_code(self, request: Request) -> Answer:
        """Code is looked up by the hash of its files; its name is a new one each time."""
        codes = [body for path, body in self.resources.items() if path.startswith(f"{ROOT}/codes/")]
        same = [code for code in codes if code["properties"]["properties"]["hash_sha256"] == request.query["hash"]]
        return Answer(body={"value": same})

    def _container(self, kind: str, name: str) -> Answer:
        numbers = [int(version) for version in self.versions(kind, name) if version.isdigit()]
        if not numbers:
            return missing(name)
        properties = {"nextVersion": str(max(numbers) + 1), "latestVersion": str(max(numbers)), "properties": {}}
        return Answer(body={"id": f"{ROOT}/{kind}/{name}", "name": name, "properties": properties})

    def _datastore(self, request: Request) -> Answer:
        store = {
            "id": f"{ROOT}/datastores/workspaceblobstore",
            "name": "workspaceblobstore",
            "properties": {
                "datastoreType": "AzureBlob",
                "accountName": "ststub",
                "containerName": "azureml",
                "endpoint": "core.windows.net",
                "protocol": "https",
                "isDefault": True,
                "credentials": {"credentialsType": "None"},
            },
        }
        return Answer(body={"value": [store]} if request.path.endswith("/datastores") else store)

    def _blob(self, request: Request) -> Answer:
        name = request.path.removeprefix("/azureml").lstrip("/")
        if request.method == "PUT":
            return self._write(name, request)
        if request.query.get("comp") == "list":
            return self._list_blobs(request.query.get("prefix", ""))
        if name not in self.blobs:
            return Answer(404, headers={"x-ms-error-code": "BlobNotFound"})
        content, metadata = self.blobs[name]
        headers = _blob_headers() | {f"x-ms-meta-{key}": value for key, value in metadata.items()}
        if request.method == "HEAD":
            return Answer(headers=headers | {"x-ms-blob-content-length": str(len(content))})
        return Answer(206, content=content, headers=headers | {"Content-Range": _range(content)})

    def _write(self, name: str, request: Request) -> Answer:
        kept = request.query.get("comp") == "metadata"
        content = self.blobs[name][0] if kept else request.body
        meta = "x-ms-meta-"
        given = {key.removeprefix(meta): value for key, value in request.headers.items() if key.startswith(meta)}
        self.blobs[name] = (content, given)
        return Answer(200 if kept else 201, headers=_blob_headers())

    def _list_blobs(self, prefix: str) -> Answer:
        properties = "<Properties><Content-Length>{}</Content-Length><BlobType>BlockBlob</BlobType></Properties>"
        entry = f"<Blob><Name>{{}}</Name>{properties}<Metadata/></Blob>"
        found = [(name, len(blob[0])) for name, blob in sorted(self.blobs.items()) if name.startswith(prefix)]
        listed = "".join(entry.format(escape(name), size) for name, size in found)
        xml = f"<?xml version='1.0'?><EnumerationResults><Blobs>{listed}</Blobs><NextMarker/></EnumerationResults>"
        return Answer(content=xml.encode(), headers={"Content-Type": "application/xml"})


def _uri(resource: dict[str, Any]) -> str | None:
    """Where a model lies, without what depends on how the address is written."""
    uri = resource["properties"].get("modelUri")
    return str(uri).rsplit("/paths/", 1)[-1] if uri else None


def _blob_headers() -> dict[str, str]:
    return {"ETag": '"0x1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "x-ms-blob-type": "BlockBlob"}


def _range(content: bytes) -> str:
    return f"bytes 0-{max(len(content) - 1, 0)}/{len(content)}"


def _workspace() -> dict[str, Any]:
    properties = {
        "discoveryUrl": f"https://{SERVICE}/discovery",
        "mlFlowTrackingUri": f"azureml://{SERVICE}/mlflow/v1.0{ROOT}",
        "workspaceId": "00000000-0000-0000-0000-000000000009",
    }
    return {"id": ROOT, "name": WORKSPACE, "location": "stub", "properties": properties}


def _upload(name: str) -> dict[str, Any]:
    """Where code is uploaded: a container of its own, with a signature in the address."""
    uri = f"https://ststub.blob.core.windows.net/code-{name}"
    return {"blobUri": uri, "credential": {"credentialType": "SAS", "sasUri": f"{uri}?sv=stub&sig=stub"}}


def _token(request: Request) -> str:
    """A token in the form that the SDK reads, for what was asked, signed by nobody."""
    scope = parse_qs(request.body.decode())["scope"][0].split()[0]
    claims = {"aud": scope.removesuffix("/.default"), "oid": "stub", "tid": "stub"}
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join([*(urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "stub"])


def _sign_in(request: Request) -> Answer:
    tenant = f"https://login.microsoftonline.com/{request.path.split('/')[1]}"
    if request.path.endswith("openid-configuration"):
        token, authorize = f"{tenant}/oauth2/v2.0/token", f"{tenant}/oauth2/v2.0/authorize"
        return Answer(body={"issuer": f"{tenant}/v2.0", "token_endpoint": token, "authorization_endpoint": authorize})
    if request.path.endswith("/token"):
        return Answer(body={"token_type": "Bearer", "expires_in": 3600, "access_token": _token(request)})
    return Answer(body={"tenant_discovery_endpoint": f"{tenant}/v2.0/.well-known/openid-configuration", "metadata": []})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    azure: Azure
    tls: ssl.SSLContext
    host = ""

    def do_CONNECT(self) -> None:
        """Answer as the proxy, then go on as the host that was asked for."""
        self.host = self.path.split(":")[0]
        self.send_response(200)
        self.end_headers()
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        headers = {key.lower(): value for key, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        request = Request(self.command, self.host, unquote(parts.path), query, headers, body)
        answer = self.azure.answer(request)
        if self.azure.lose(request):
            self.close_connection = True
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        payload = answer.payload()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def do_GET(self) -> None:
        """Read."""
        self._serve()

    def do_HEAD(self) -> None:
        """Read without the body."""
        self._serve()

    def do_PUT(self) -> None:
        """Write."""
        self._serve()

    def do_POST(self) -> None:
        """Ask, or sign in."""
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Nothing: the requests are kept."""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error; anything else is one of this file."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def running(folder: Path) -> Iterator[tuple[Azure, dict[str, str]]]:
    """A fresh Azure, and the environment variables with which a process talks to it and to nothing else.

    Args:
        folder: where the certificate and the token of the sign-in are written.
    """
    azure = Azure()
    certificate = _certificate(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    handler = type("Handler", (_Handler,), {"azure": azure, "tls": tls})
    with _Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield azure, _environment(folder, certificate, server.server_address[1])
        server.shutdown()


def _environment(folder: Path, certificate: Path, port: int) -> dict[str, str]:
    identity = folder / "identity.txt"
    identity.write_text("stub")
    proxy = f"http://127.0.0.1:{port}"
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": "",
        "no_proxy": "",
        "REQUESTS_CA_BUNDLE": str(certificate),
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": GROUP,
        "AZURE_ML_WORKSPACE": WORKSPACE,
        "AZURE_TENANT_ID": "00000000-0000-0000-0000-000000000002",
        "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000003",
        "AZURE_FEDERATED_TOKEN_FILE": str(identity),
        # The sign-in of a workload, the first that needs no secret: the others would look for a machine.
        "AZURE_TOKEN_CREDENTIALS": "WorkloadIdentityCredential",
    }


def _certificate(folder: Path) -> Path:
    """A certificate for the hosts, its own authority, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stub")])
    start = datetime.now(UTC) - timedelta(hours=1)
    public = key.public_key()
    built = (
        x509.CertificateBuilder(name, name, public, x509.random_serial_number(), start, start + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "stub.pem"
    file.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return file
