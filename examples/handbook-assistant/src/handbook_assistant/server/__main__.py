"""Starts the server: python -m PACKAGE.server --help

It prints one line with its address when it is ready. At SIGTERM or Ctrl-C it takes no further request and ends what
it has begun; a second one ends it at once.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..cli import DEV, Config, Set, loading
from ..errors import InputError, PipelineError
from ..feedback import KEEP_DAYS, PATH

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .desk import Answering

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HOSTS = "[default: this computer's where it listens to nobody else, any elsewhere]"
# Seconds that answers get at the end.
GRACE = 30
# Connections, whatever they wait for.
CONNECTIONS = 1_000
# Seconds that an idle connection is kept: longer than proxies keep theirs, or one would send into a closed one.
KEEP_ALIVE = 300

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Trace(StrEnum):
    """What is traced: nothing, everything but texts, or everything."""

    OFF = "off"
    SHAPE = "shape"
    TEXT = "text"


@app.command()
def serve(
    model: Annotated[
        Path | None,
        typer.Option(
            envvar=["MODEL_FOLDER", "AZUREML_MODEL_DIR"],
            help="Folder of a model, or one above it. [default: the registry's champion]",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar=["PORT", "DATABRICKS_APP_PORT"], min=0, max=65535)] = 8000,
    feedback: Annotated[Path, typer.Option(help="File for answers and ratings, on a disk of this machine.")] = PATH,
    keep_days: Annotated[float, typer.Option(min=0, help="How long they are kept.")] = KEEP_DAYS,
    groups_header: Annotated[
        str | None, typer.Option(help="Header in which a proxy, and nobody else, tells the asker's groups.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help=f"Name that it is called by. Repeatable. {HOSTS}")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Answers that are written at once.")] = 8,
    waiting: Annotated[int, typer.Option(min=0, help="Questions that may wait for that.")] = 64,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for an answer.")] = 120,
    trace: Annotated[Trace, typer.Option(help="What is traced: nothing, all but texts, or all.")] = Trace.OFF,
    config: Config = DEV,
    pairs: Set = None,
) -> None:
    """Answer questions by HTTP, with a page to chat.

    POST /chat, POST /responses (as OpenAI's clients), POST /feedback, GET /healthz, GET /readyz.
    """
    with loading():
        from .. import models, serving, settings, traces
        from ..feedback import Store
        from .app import Options, create

    read = settings.load(config, pairs or ())
    hosts = allow_host or (LOOPBACK if host in LOOPBACK else ())
    options = Options(groups_header, hosts, threads, waiting, timeout)
    with ExitStack() as stack:
        listener = stack.enter_context(listening(host, port))
        folder, version = stack.enter_context(serving.chosen(model and folder_of(model), read))
        loaded = models.load(folder)
        chain: Answering = loaded
        if trace is not Trace.OFF:
            stack.enter_context(traces.recording(read.tracking))
            chain = traces.traced(loaded, version, texts=trace is Trace.TEXT)
        run(create(chain, version, Store(feedback, keep_days), options), listener, version)


def folder_of(place: Path) -> Path:
    """The model's folder below a place: a service mounts it in folders of its own, by name and version.

    Raises:
        InputError: there are several.
    """
    found = sorted(path.parent for path in place.rglob("MLmodel"))
    if len(found) > 1:
        raise InputError(f"{place} holds {len(found)} models: give --model the folder of one")
    return found[0] if found else place


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet; port 0 is any that is free.

    Raises:
        InputError: the address is taken, or none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        raise InputError(f"cannot listen on {host}:{port} ({error}); give another --port or --host") from error
    return bound


def run(server: FastAPI, listener: socket.socket, version: str) -> None:
    """Serve until a signal comes."""
    import uvicorn

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    for noisy in ("httpx", "httpx2", "mlflow", "azure"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    options = uvicorn.Config(
        server,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    host, port = listener.getsockname()[:2]
    # From here on a connection waits instead of being refused.
    listener.listen(CONNECTIONS)
    print(f"version {version} answers at http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    # uvicorn hands the signal on when it has ended; by default that would leave scratch folders and traces behind.
    signal.signal(signal.SIGTERM, _leave)
    uvicorn.Server(options).run(sockets=[listener])


def _leave(*_: object) -> None:
    raise SystemExit(0)


def main() -> None:
    """Start. A problem that the user can mend is one line on standard error, not a traceback."""
    try:
        app()
    except PipelineError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
