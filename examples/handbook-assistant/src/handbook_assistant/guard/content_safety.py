"""Guards that ask Azure AI Content Safety: harmful content, and Prompt Shields against injection. Off by default.

Both fail closed: when the service can't be asked, the text may not pass. They send the text to Azure.
API: https://learn.microsoft.com/rest/api/contentsafety/text-operations
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from ..errors import InputError
from . import Verdict

VERSION = "2024-09-01"
# The longest text of a request, in characters.
LONGEST = 10_000
ATTEMPTS = 3
# How long to wait before another attempt, in seconds, if the service does not say; and the longest that it may say.
WAIT, LONGEST_WAIT = 0.5, 30.0
AGAIN = (408, 429, 500, 502, 503, 504)
LOCAL = ("127.0.0.1", "localhost", "::1")
MENDS = {
    401: "sign in again",
    403: "give this identity the role Cognitive Services User",
    404: "check the endpoint and its region",
    429: "wait, or raise its quota",
}


class Service:
    """A Content Safety resource.

    Args:
        endpoint: such as https://my-resource.cognitiveservices.azure.com.
        token: gives an Entra token for https://cognitiveservices.azure.com/.default; called for each request.
        timeout: seconds.

    Raises:
        InputError: a token would travel unencrypted.
    """

    def __init__(self, endpoint: str, token: Callable[[], str], timeout: float = 10) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme != "https" and parts.hostname not in LOCAL:
            raise InputError(f"{endpoint} is not encrypted; give an address that starts with https://")
        self._token = token
        self._client = httpx.Client(base_url=endpoint, timeout=timeout, params={"api-version": VERSION})

    def ask(self, operation: str, body: dict[str, Any]) -> Any:
        """The reply to a request, as JSON.

        Raises:
            InputError: there is no reply, or one that says no.
        """
        for attempt in range(1, ATTEMPTS + 1):
            response = self._post(operation, body)
            if response.status_code not in AGAIN or attempt == ATTEMPTS:
                break
            time.sleep(_wait(response, attempt))
        if response.status_code != httpx.codes.OK:
            mend = MENDS.get(response.status_code, "ask again later")
            raise InputError(f"cannot ask Content Safety: status {response.status_code}; {mend}")
        try:
            return response.json()
        except ValueError as error:
            raise _makes_no_sense() from error

    def _post(self, operation: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            return self._client.post(f"/contentsafety/text:{operation}", json=body, headers=headers)
        except httpx.HTTPError as error:
            reason = "no reply in time" if isinstance(error, httpx.TimeoutException) else "no connection"
            raise InputError(f"cannot ask Content Safety: {reason}; check the endpoint and the network") from error


class Harm:
    """A guard that refuses hate, self-harm, sexual content and violence.

    Args:
        service: to ask.
        refused_at: the lowest severity that is refused: 2 low, 4 medium, 6 high.
    """

    def __init__(self, service: Service, refused_at: int = 4) -> None:
        self._service = service
        self._refused_at = refused_at

    def check(self, text: str) -> Verdict:
        """Refuse a text with harmful content."""
        found: set[str] = set()
        for part in _parts(text):
            reply = self._service.ask("analyze", {"text": part, "outputType": "FourSeverityLevels"})
            found |= self._categories(reply)
        names = ", ".join(sorted(found))
        return Verdict(not found, f"harmful content: {names}" if found else "", text)

    def _categories(self, reply: Any) -> set[str]:
        try:
            found = [(str(each["category"]), int(each["severity"])) for each in reply["categoriesAnalysis"]]
        except (KeyError, TypeError, ValueError) as error:
            raise _makes_no_sense() from error
        return {category for category, severity in found if severity >= self._refused_at}


class PromptShield:
    """A guard that refuses injections, in what a user asks or in a document."""

    def __init__(self, service: Service, kind: Literal["question", "document"]) -> None:
        self._service = service
        self._kind = kind

    def check(self, text: str) -> Verdict:
        """Refuse a text that attacks a language model."""
        attacks = [self._is_attack(part) for part in _parts(text)]
        return Verdict(not any(attacks), "Prompt Shields found an attack" if any(attacks) else "", text)

    def _is_attack(self, text: str) -> bool:
        asked = self._kind == "question"
        body = {"userPrompt": text if asked else "", "documents": [] if asked else [text]}
        reply = self._service.ask("shieldPrompt", body)
        try:
            found = (reply["userPromptAnalysis"] if asked else reply["documentsAnalysis"][0])["attackDetected"]
        except (KeyError, TypeError, IndexError) as error:
            raise _makes_no_sense() from error
        if not isinstance(found, bool):
            raise _makes_no_sense()
        return found


def _parts(text: str) -> list[str]:
    """A text in parts that the service takes. A blank one needs no asking."""
    return [text[start : start + LONGEST] for start in range(0, len(text), LONGEST)] if text.strip() else []


def _wait(response: httpx.Response, attempt: int) -> float:
    said = response.headers.get("retry-after", "")
    return min(float(said), LONGEST_WAIT) if said.isdecimal() else WAIT * 2.0**attempt


def _makes_no_sense() -> InputError:
    return InputError("the reply of Content Safety makes no sense; check that the endpoint is that of the service")
