"""Talks to the REST services of Azure, GitHub and Azure DevOps, as the one who is signed in on this computer.

The pipeline of azure-core does what is easy to get wrong: it asks for fresh tokens, waits as long as a busy service
says (Retry-After) and tries again after a broken connection. A token of Azure goes over TLS only.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from azure.core import PipelineClient
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    HeadersPolicy,
    HTTPPolicy,
    RetryPolicy,
    SansIOHTTPPolicy,
)
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import AzureCliCredential

Json = dict[str, Any]
Query = Mapping[str, str]
Policy = HTTPPolicy[Any, Any] | SansIOHTTPPolicy[Any, Any]

# The libraries log what is raised anyway, and would print it a second time.
logging.getLogger("azure").addHandler(logging.NullHandler())

# What a secret looks like: tokens of Entra, GitHub and Databricks, client secrets, keys, signatures.
SECRET = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|gh[pousr]_\w{20,}|github_pat_\w{20,}|dapi[0-9a-f]{32}|[\w.~-]{3}\dQ~[\w.~-]{31,}"
    r"|(?:AccountKey|SharedAccessKey|sig|password|client_secret)=[^&;\s]{8,}"
    r"|[A-Za-z0-9+/]{86}==|-----BEGIN [A-Z ]+-----",
    re.IGNORECASE,
)
NONE: Query = {}
# A command line that waits for a slow machine or a sign-in server, not for ever.
SECONDS = 60


class CloudError(Exception):
    """A service refused or could not be asked; the text is one line with the mend, and holds no secret."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(SECRET.sub("***", " ".join(text.split())))
        self.code = code


class MissingError(CloudError):
    """Something that only a person can make is not there."""


class Service:
    """One REST service. `mend` says what to do when it refuses."""

    def __init__(self, name: str, address: str, sign_in: Policy, mend: str) -> None:
        self.name = name
        self.address = address.rstrip("/")
        self.mend = mend
        policies: list[Policy] = [
            HeadersPolicy({"Accept": "application/json"}),
            RetryPolicy(retry_total=5, retry_backoff_max=30),
            sign_in,
        ]
        self._client = PipelineClient[HttpRequest, HttpResponse](self.address, policies=policies)

    def get(self, path: str, query: Query = NONE) -> Json | None:
        """What is there, or None.

        Raises:
            CloudError: the service refuses, or cannot be asked.
        """
        return self._answer("GET", path, query, absent=True)

    def items(self, path: str, query: Query = NONE, key: str = "value") -> Iterator[Json]:
        """The entries of a list, all pages of it; none when what they belong to is not there.

        Raises:
            CloudError: the service refuses, or cannot be asked.
        """
        page = self.get(path, query)
        while page:
            yield from page.get(key, [])
            following = page.get("nextLink")
            page = self._answer("GET", following) if following else None

    def send(self, method: str, path: str, body: Json | None = None, query: Query = NONE) -> Json:
        """Write, and return what is there now.

        Raises:
            CloudError: the service refuses, or cannot be asked.
        """
        return self._answer(method, path, query, body) or {}

    def _answer(
        self, method: str, path: str, query: Query = NONE, body: Json | None = None, absent: bool = False
    ) -> Json | None:
        url = path if path.startswith(f"{self.address}/") else f"{self.address}/{path.lstrip('/')}"
        try:
            response = self._client.send_request(HttpRequest(method, url, params=query, json=body))
        except ClientAuthenticationError as error:
            raise CloudError(f"not signed in to {self.name}: {self.mend} ({str(error).splitlines()[0]})") from error
        except AzureError as error:
            raise CloudError(f"{self.name} cannot be reached, try again: {error}") from error
        if response.status_code == 404 and absent:
            return None
        content = _content(response)
        if response.status_code >= 300 or content is None:
            code, message = _reason(content)
            answer = f"{self.name} answers {response.status_code}{code and f' {code}'}"
            raise CloudError(f"{answer}: {message} {self.mend}", code)
        return content


def _content(response: HttpResponse) -> Json | None:
    """The JSON object of an answer, {} for an empty one; None for a page for people, such as one to sign in."""
    if not response.content:
        return {}
    try:
        content = response.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _reason(content: Json | None) -> tuple[str, str]:
    """Code and message of a refusal, as Azure (`error`), GitHub and Azure DevOps (`message`) write them."""
    if content is None:
        return "", "this is no answer of its API."
    error = content.get("error")
    told = error if isinstance(error, dict) else content
    message = str(told.get("message", "")).strip()
    return str(told.get("code") or told.get("typeKey") or ""), message if message.endswith(".") else f"{message}."


def run(program: str, *arguments: str, mend: str) -> str:
    """What a command line prints.

    Raises:
        CloudError: it is not there, or fails.
    """
    path = shutil.which(program)
    if path is None:
        raise CloudError(f"{program} is not installed: {mend}")
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CloudError(f"{program} does not answer ({type(error).__name__}): {mend}") from error
    if done.returncode:
        told = done.stderr.strip().splitlines()
        raise CloudError(f"{program} {arguments[0]} fails: {mend} ({told[-1] if told else 'it says nothing'})")
    return done.stdout.strip()


def az(*arguments: str) -> Json:
    """What the Azure command line answers, without going through a service's REST interface.

    Raises:
        CloudError: it is not there, or nobody is signed in.
    """
    mend = "install it (uv run poe infra-tools tells where), then az login"
    answer: Json = json.loads(run("az", *arguments, "--output", "json", mend=mend))
    return answer


def azure_sign_in(scope: str) -> Policy:
    """Sign in as `az login` is, in the subscription of AZURE_SUBSCRIPTION_ID or the command line's own."""
    credential = AzureCliCredential(
        subscription=os.environ.get("AZURE_SUBSCRIPTION_ID") or None, process_timeout=SECONDS
    )
    return BearerTokenCredentialPolicy(credential, scope)


def remote() -> str:
    """The address of the repository that `git push` goes to.

    Raises:
        CloudError: git is not there, or knows none.
    """
    return run("git", "remote", "get-url", "origin", mend="push this project first, so that git knows origin")
