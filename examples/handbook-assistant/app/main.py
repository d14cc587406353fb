"""The chat as a Databricks App: MLflow's AgentServer for programs, and the chat page beside it.

/invocations and /responses are AgentServer's, and answer through `Agent`; everything else (/, /chat, /feedback, probes)
is the chat server's. AgentServer records each request in a trace, question and all, so tracing is off unless TRACE says
text.

Databricks signs people in and names them in the header X-Forwarded-Email, which no caller can forge here. It knows no
groups: GROUPS_HEADER=X-Forwarded-Email makes each person a group of one, which documents can name.

Run by app.yaml: python main.py
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
from fastapi import FastAPI
from mlflow.genai.agent_server import AgentServer, get_request_headers, invoke, stream
from mlflow.pyfunc.model import ResponsesAgent
from mlflow.types.responses import ResponsesAgentRequest, ResponsesAgentResponse, ResponsesAgentStreamEvent
from starlette.datastructures import Headers

from handbook_assistant import models, serving, settings
from handbook_assistant.errors import InputError, PipelineError
from handbook_assistant.feedback import Store
from handbook_assistant.schema import EVERYONE
from handbook_assistant.server import responses
from handbook_assistant.server.__main__ import listening, run
from handbook_assistant.server.app import SERVICE, Options, create
from handbook_assistant.server.asker import groups
from handbook_assistant.server.crew import Crew, FullError
from handbook_assistant.server.desk import Answering, Desk, Told
from handbook_assistant.server.protection import Protection, RefusedError

FEEDBACK = Path("feedback.db")


class Agent(ResponsesAgent):
    """A chain as MLflow knows agents, for one asker.

    Args:
        desk: where questions are answered.
        asker: the groups of who asks. A request can't tell them: anybody can write anything into it.
    """

    def __init__(self, desk: Desk, asker: Sequence[str] = (EVERYONE,)) -> None:
        self._desk = desk
        self._asker = asker

    # MLflow's own class takes other parameters here than the class above it, in both methods.
    def predict(self, request: ResponsesAgentRequest) -> ResponsesAgentResponse:  # type: ignore[override]
        """The whole answer."""
        found = responses.response(responses.fresh(), self._told(request))
        return ResponsesAgentResponse(**found)

    def predict_stream(  # type: ignore[override]
        self, request: ResponsesAgentRequest
    ) -> Generator[ResponsesAgentStreamEvent, None, None]:
        """The events of the answer: text only after the guards have seen all of it."""
        for event in responses.said(responses.fresh(), self._told(request)):
            yield ResponsesAgentStreamEvent(**event)

    def _told(self, request: ResponsesAgentRequest) -> Told:
        asked = responses.Request.model_validate({"input": [item.model_dump() for item in request.input]})
        (told,) = (item for item in self._desk.ask(asked.question(), self._asker, whole=True) if isinstance(item, Told))
        return told


def application(chain: Answering, version: str, store: Store, options: Options) -> FastAPI:
    """AgentServer with the chat server behind it. It registers functions in MLflow: once a process.

    Args:
        chain: what answers.
        version: of its model.
        store: where answers are kept.
        options: of the chat server.
    """
    desk, crew = Desk(chain, version, store), Crew(options.threads, options.waiting)

    def items(work: Callable[[Agent], Iterator[Any]]) -> AsyncIterator[Any]:
        agent = Agent(desk, groups(Headers(get_request_headers()), options.groups_header))
        return crew.start(partial(work, agent), options.seconds)

    @invoke()
    async def answer(request: ResponsesAgentRequest) -> ResponsesAgentResponse:
        whole = [item async for item in _plainly(lambda: items(lambda agent: iter([agent.predict(request)])))]
        return ResponsesAgentResponse.model_validate(whole[0])

    @stream()
    async def answer_in_pieces(request: ResponsesAgentRequest) -> AsyncIterator[ResponsesAgentStreamEvent]:
        async for event in _plainly(lambda: items(lambda agent: agent.predict_stream(request))):
            yield event

    app = AgentServer("ResponsesAgent").app
    app.add_middleware(Protection, largest=options.largest, hosts=options.hosts)
    app.mount("/", create(chain, version, store, options))
    return app


async def _plainly(start: Callable[[], AsyncIterator[Any]]) -> AsyncIterator[Any]:
    """The items. AgentServer hands on what an error says, so it says nothing of services."""
    try:
        async for item in start():
            yield item
    except InputError:
        raise RuntimeError(SERVICE) from None
    except FullError:
        raise RuntimeError("too many questions at once: ask again in a moment") from None
    except TimeoutError:
        raise RuntimeError("the answer takes too long: ask again later") from None
    except (RefusedError, ValueError) as error:
        raise RuntimeError(str(error).splitlines()[-1]) from None


def main() -> None:
    """Serve the champion."""
    traced = os.environ.get("TRACE") == "text"
    if not traced:
        mlflow.tracing.disable()
    name = os.environ["MODEL_NAME"]
    read = settings.load(Path("config/dev.yml"), [f"registry.name={name}", "tracking.uri=databricks"])
    options = Options(groups_header=os.environ.get("GROUPS_HEADER") or None)
    with ExitStack() as stack:
        # Within the app's own container, behind the proxy of Databricks.
        listener = stack.enter_context(listening("0.0.0.0", int(os.environ.get("DATABRICKS_APP_PORT", "8000"))))  # noqa: S104
        folder, version = stack.enter_context(serving.chosen(None, read))
        run(application(models.load(folder), version, Store(FEEDBACK), options), listener, version)


if __name__ == "__main__":
    try:
        main()
    except PipelineError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)
