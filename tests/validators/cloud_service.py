"""Azure Resource Manager, GitHub and Azure DevOps on this computer, over TLS: what is put is there, what is not gives 404.

One loopback server speaks the REST of all three, which paths tell apart. A stand-in of `az` and `gh` hands out their tokens, as
the real ones do for a person who is signed in.
"""

from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import trustme

Json = dict[str, Any]

SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"
TENANT = "55555555-6666-7777-8888-999999999999"
ROOT = f"/subscriptions/{SUBSCRIPTION}"
# Never printed; the server refuses a request without the right one.
AZURE_TOKEN, GITHUB_TOKEN = "azure-token-that-nobody-may-see", "github-token-that-nobody-may-see"
ACCOUNT = {"id": SUBSCRIPTION, "tenantId": TENANT, "name": "Plums", "environmentName": "AzureCloud"}
STAND_IN = """#!{python}
import json, pathlib, sys
words = " ".join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]])
for begin, answer in json.loads(pathlib.Path({answers!r}).read_text()).items():
    if words.startswith(begin):
        if answer is None:
            sys.exit("Please run 'az login' to setup account.")
        print(answer)
        sys.exit()
sys.exit(f"no answer to {{words}}")
"""


@dataclass
class Fault:
    """How the next requests of a kind are answered instead, so many times; without a status the connection breaks."""

    method: str
    path: str
    status: int | None
    body: Json = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    # What else happens then.
    action: Callable[[], object] = bool


@dataclass
class Cloud:
    """What is there, and who asked for what."""

    folder: Path
    port: int = 0
    # By path, in lower case as Azure compares.
    things: dict[str, Json] = field(default_factory=dict)
    # GitHub and Azure DevOps number what they make.
    prefix: str | None = "repo:owner/plums"
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    written: list[tuple[str, str, Json]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}"

    def sign_in(self, **answers: str | None) -> None:
        """Say what the command lines answer; None for nobody who is signed in."""
        token = json.dumps({"accessToken": AZURE_TOKEN, "expires_on": 4102444800, "tokenType": "Bearer"})
        known: dict[str, str | None] = {
            "az account get-access-token": token,
            "az account show": json.dumps(ACCOUNT),
            "az cloud show": json.dumps({"endpoints": {"resourceManager": f"{self.address}/"}}),
            "gh auth token": GITHUB_TOKEN,
        }
        known |= {name.replace("_", " "): answer for name, answer in answers.items()}
        (self.folder / "answers").write_text(json.dumps(known), "utf-8")

    def under(self, part: str) -> dict[str, Json]:
        """What is there in a folder, by its last name."""
        found = {path.rpartition(part.lower())[2]: thing for path, thing in self.things.items() if part.lower() in path}
        return {name: thing for name, thing in found.items() if "/" not in name}

    def writes(self) -> list[tuple[str, str]]:
        """The requests that could change something."""
        return [(method, path) for method, path in self.requests if method != "GET"]

    def answer(self, method: str, target: str, body: Json, token: str) -> tuple[int, Any, dict[str, str]]:
        """Status, content and headers for a request."""
        split = urlsplit(target)
        path, query = unquote(split.path), {name: given[0] for name, given in parse_qs(split.query).items()}
        self.requests.append((method, path))
        for fault in self.faults:
            if fault.times and fault.method == method and fault.path in path:
                fault.times -= 1
                fault.action()
                if fault.status is None:
                    raise ConnectionError("broken on purpose")
                return fault.status, fault.body, fault.headers
        github = path.startswith("/api/v3/")
        if token != (GITHUB_TOKEN if github else AZURE_TOKEN):
            return 401, {"message": "Bad credentials"}, {}
        if method != "GET":
            self.written.append((method, path, body))
        if github:
            return (*self._github(method, path, body), {})
        if path.startswith("/subscriptions/"):
            return (*self._azure(method, path, query, body), {})
        return (*self._devops(method, path, query, body), {})

    def _azure(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, Any]:
        if "api-version" not in query:
            return 400, {"error": {"code": "MissingApiVersionParameter", "message": "The api-version is missing"}}
        key, name = path.lower(), path.rpartition("/")[2]
        if method == "POST" and name == "register":
            self.things[key.removesuffix("/register")] = {"registrationState": "Registering"}
            return 200, {"registrationState": "Registering"}
        if method == "PUT":
            made = body | {"id": path, "name": name}
            if name.lower() == key.rpartition("/userassignedidentities/")[2]:
                ids = {kind: str(uuid.uuid5(uuid.NAMESPACE_URL, kind + key)) for kind in ("clientId", "principalId")}
                made["properties"] = ids
            if "/roleassignments/" in key:
                scope = re.split("/providers/Microsoft.Authorization", path, flags=re.IGNORECASE)[0]
                made["properties"] = {**body["properties"], "scope": scope}
            self.things[key] = made
            return 201, made
        if name.lower() in {
            "userassignedidentities",
            "federatedidentitycredentials",
            "roledefinitions",
            "roleassignments",
        }:
            return 200, {"value": [thing for thing in self.under(f"{path}/").values() if chosen(thing, query)]}
        if name.lower() in {"resources", "usages", "vmsizes"}:
            return 200, {
                "value": [thing for thing in self.things.get(key, {"value": []})["value"] if chosen(thing, query)]
            }
        found = self.things.get(key)
        return (200, found) if found is not None else (404, {"error": {"code": "NotFound", "message": path}})

    def _github(self, method: str, path: str, body: Json) -> tuple[int, Any]:
        key, name = path.lower(), path.rpartition("/")[2]
        if path.endswith("/actions/oidc/customization/sub"):
            # The flag contradicts the prefix, as it may.
            return 200, {"use_default": True, "use_immutable_subject": False, "sub_claim_prefix": self.prefix}
        if name in {"variables", "secrets"} and method == "GET":
            found = list(self.under(f"{path}/").values())
            return 200, {"total_count": len(found), name: found}
        if method == "POST" and name == "variables":
            self.things[f"{key}/{body['name'].lower()}"] = body
            return 201, {}
        if method in {"PUT", "PATCH"}:
            self.things[key] = body | {"name": name}
            return (200, self.things[key]) if method == "PUT" else (204, None)
        found_one = self.things.get(key)
        return (200, found_one) if found_one is not None else (404, {"message": "Not Found"})

    def _devops(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, Any]:
        kind, _, identifier = path.partition("/_apis/")[2].partition("/")
        if kind == "projects":
            return 200, {"id": "project-id", "name": identifier}
        kind = path.rpartition("/_apis/")[2].split("/")[1]
        held = self.things.setdefault(kind, {"value": []})["value"]
        identifier = path.rpartition(kind)[2].strip("/")
        if method == "POST":
            body = body | {"id": len(held) + 1}
            if kind == "endpoints":
                federated = {
                    "workloadIdentityFederationIssuer": "https://login.microsoftonline.com/tenant/v2.0",
                    "workloadIdentityFederationSubject": f"/eid1/c/pub/t/x/a/y/sc/organization/{body['id']}",
                }
                body["authorization"]["parameters"] |= federated
            held.append(body)
            return 200, body
        if method == "PUT":
            index = next(index for index, thing in enumerate(held) if str(thing["id"]) == identifier)
            held[index] |= body
            return 200, held[index]
        if identifier:
            return 200, next(thing for thing in held if str(thing["id"]) == identifier)
        names = {query[name] for name in ("endpointNames", "groupName", "name") if name in query}
        return 200, {"value": [thing for thing in held if thing["name"] in names]}


def chosen(thing: Json, query: dict[str, str]) -> bool:
    """Whether a filter such as `principalId eq '…'` takes a thing."""
    wanted = dict(re.findall(r"(\w+) eq '([^']*)'", query.get("$filter", "")))
    held = {**thing, **thing.get("properties", {})}
    return all(held.get("type" if name == "resourceType" else name) == value for name, value in wanted.items())


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the cloud, and breaks the connection where that fails."""

    protocol_version = "HTTP/1.1"
    cloud: Cloud

    def handle_any(self) -> None:
        """Answer in JSON."""
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            with self.cloud.lock:
                status, content, headers = self.cloud.answer(self.command, self.path, body, token)
        except ConnectionError:
            self.close_connection = True
            return
        text = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the names that the library gives them

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[Cloud]:
    """A cloud that listens, with its certificate authority and stand-ins of the command lines in a folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    cloud = Cloud(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"cloud": cloud}))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    cloud.port = server.server_port
    cloud.sign_in()
    (folder / "bin").mkdir()
    for program in ("az", "gh"):
        text = STAND_IN.format(python=sys.executable, answers=str(folder / "answers"))
        (folder / "bin" / program).write_text(text, "utf-8")
        (folder / "bin" / program).chmod(0o755)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(project: Path, cloud: Cloud, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a module of a project against the cloud, as nobody but the stand-ins is signed in."""
    git = shutil.which("git")
    assert git, "git is missing"
    environment = {
        "PATH": f"{cloud.folder / 'bin'}:{Path(git).parent}",
        "REQUESTS_CA_BUNDLE": str(cloud.folder / "ca.pem"),
        "NO_PROXY": "127.0.0.1",
        "HOME": str(cloud.folder),
        "AZURE_RESOURCE_GROUP": "rg-plums-dev",
        "GIT_CONFIG_NOSYSTEM": "1",
        **variables,
    }
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
