"""The chat as a Databricks App: what programs get from AgentServer, and what people get beside it."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chat
import httpx
import openai
import pytest
import uvicorn

from handbook_assistant.chain import Answer
from handbook_assistant.errors import InputError
from handbook_assistant.feedback import Store
from handbook_assistant.server.__main__ import listening
from handbook_assistant.server.app import Options

pytestmark = pytest.mark.platform
ROOT = Path(__file__).parents[1]


class Moody:
    """A chain that fails when it is asked to."""

    def __init__(self, chain: Any) -> None:
        self.chain = chain

    def answer(self, question: str, groups: Any) -> Answer:
        if "fail" in question:
            raise InputError("no key sk-123 at https://internal.example")
        return self.chain.answer(question, groups)  # type: ignore[no-any-return]

    def stream(self, question: str, groups: Any) -> Any:
        return self.chain.stream(question, groups)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the app, which knows people by a header of Databricks."""
    import mlflow

    spec = importlib.util.spec_from_file_location("app_main", ROOT / "app/main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    mlflow.tracing.disable()
    folder = tmp_path_factory.mktemp("app")
    options = Options(groups_header="X-Forwarded-Email")
    app = module.application(Moody(chat.chain(folder)), "7", Store(folder / "f.db"), options)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    listener = listening("127.0.0.1", 0)
    listener.listen()
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as found:
        yield found
    server.should_exit = True
    thread.join()
    mlflow.tracing.enable()


@pytest.fixture
def sdk(client: httpx.Client) -> openai.OpenAI:
    """OpenAI's client for it."""
    return openai.OpenAI(base_url=str(client.base_url), api_key="none", max_retries=0)


def test_programs_are_answered(sdk: openai.OpenAI) -> None:
    """Whole, and as a stream."""
    expected = f"{chat.PASSAGES['canary'][1]} [1]"
    given: Any = [{"role": "user", "content": chat.QUESTION}]
    assert sdk.responses.create(model="any", input=given).output_text == expected
    events = list(sdk.responses.create(model="any", input=given, stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == expected


def test_databricks_says_who_asks(client: httpx.Client) -> None:
    """A document for one person is found for that person alone."""
    body = {"input": [{"role": "user", "content": chat.SALARY}]}
    for path in ("/invocations", "/responses"):
        found = client.post(path, json=body, headers={"X-Forwarded-Email": "people"})
        assert found.status_code == 200, found.text
        assert "90,000" in found.text
        assert "90,000" not in client.post(path, json=body).text


def test_what_fails_tells_no_secret(client: httpx.Client) -> None:
    """Neither at once nor in a stream."""
    for stream in (False, True):
        body = {"input": [{"role": "user", "content": "fail"}], "stream": stream}
        reply = client.post("/responses", json=body)
        assert "ask again later" in reply.text
        assert "sk-123" not in reply.text
        assert "internal.example" not in reply.text


def test_people_get_the_page(client: httpx.Client) -> None:
    """With its routes, probes and limits."""
    assert "Ask the documents" in client.get("/").text
    assert client.post("/chat", json={"question": chat.QUESTION, "stream": False}).json()["outcome"] == "answered"
    assert client.get("/readyz").json()["version"] == "7"
    assert client.get("/health").json() == {"status": "healthy"}
    assert client.post("/invocations", json={"input": "a" * 100_000}).status_code == 413
    assert client.post("/invocations", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
