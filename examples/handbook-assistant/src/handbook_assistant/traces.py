"""Traces of answers: a span each for the answer, the search, what writes it, and every guard.

A chain knows nothing of them: `traced` puts something around each of its parts. A span carries the model's version, the
prompt's hash, tokens and outcome; questions, passages and answers only when texts are asked for. Traces are records of
MLflow, in the project's store or wherever MLFLOW_TRACKING_URI says. Where OTEL_EXPORTER_OTLP_ENDPOINT is set they go
there instead, and without the exporter's package they would vanish without a word: so that is refused at the start.

A stream has to be read to its end, or closed, in one thread: the span of its answer is the thread's current one.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import mlflow
from mlflow.entities import SpanType

from . import tracking
from .chain import Answer, Chain, Generator, Guards
from .errors import InputError
from .guard import Guard, Verdict
from .index.base import Hit, Index
from .schema import Chunk
from .settings import Tracking

if TYPE_CHECKING:
    from mlflow.entities import LiveSpan

ADDRESSES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# OpenTelemetry's own default; MLflow's is grpc.
PROTOCOL = "http/protobuf"
EXPORTERS = {
    "http/protobuf": ("opentelemetry.exporter.otlp.proto.http", "opentelemetry-exporter-otlp-proto-http"),
    "grpc": ("opentelemetry.exporter.otlp.proto.grpc", "opentelemetry-exporter-otlp-proto-grpc"),
}
# Where MLflow looks for tokens.
USAGE = "mlflow.chat.tokenUsage"


@contextmanager
def recording(where: Tracking) -> Iterator[None]:
    """Point traces at their store; at the end of the block they have arrived there.

    Raises:
        InputError: OpenTelemetry is asked for and its exporter is not installed.
    """
    if any(os.environ.get(name) for name in ADDRESSES):
        _check_exporter()
    tracking.connect(where)
    try:
        yield
    finally:
        mlflow.flush_trace_async_logging()


def _check_exporter() -> None:
    protocol = next((os.environ[name] for name in PROTOCOLS if os.environ.get(name)), PROTOCOL)
    if protocol not in EXPORTERS:
        raise InputError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}: set it to {' or '.join(EXPORTERS)}")
    module, package = EXPORTERS[protocol]
    if not _is_installed(module):
        raise InputError(f"traces would be lost, their exporter is missing: install {package}, or unset {ADDRESSES[1]}")
    os.environ.setdefault(PROTOCOLS[1], protocol)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even its parent
        return False


def traced(chain: Chain, version: str, texts: bool = False) -> TracedChain:
    """The chain, with a trace for each answer.

    Args:
        chain: which stays as it is.
        version: of its model.
        texts: whether traces hold the question, the passages and the answer.
    """
    parts = replace(
        chain,
        index=_Index(chain.index, texts),
        generator=_Generator(chain.generator, texts),
        guards=_guarded(chain.guards),
    )
    return TracedChain(parts, version, texts)


@dataclass(frozen=True)
class TracedChain:
    """A chain whose every answer is a trace."""

    chain: Chain
    version: str
    texts: bool

    def answer(self, question: str, groups: Sequence[str]) -> Answer:
        """See `Chain.answer`."""
        with self._span(question) as span:
            return _noted(span, self.chain.answer(question, groups), self.texts)

    def stream(self, question: str, groups: Sequence[str]) -> Iterator[str | Answer]:
        """See `Chain.stream`."""
        with self._span(question) as span:
            for item in self.chain.stream(question, groups):
                yield _noted(span, item, self.texts) if isinstance(item, Answer) else item

    @contextmanager
    def _span(self, question: str) -> Iterator[LiveSpan]:
        with mlflow.start_span("answer", SpanType.CHAIN, {"version": self.version}) as span:
            if self.texts:
                span.set_inputs({"question": question})
            yield span


class _Index:
    """An index whose searches are spans. See `Index`."""

    def __init__(self, index: Index, texts: bool) -> None:
        self._index = index
        self._texts = texts

    def search(self, question: str, groups: Sequence[str], k: int) -> list[Hit]:
        with mlflow.start_span("search", SpanType.RETRIEVER) as span:
            hits = self._index.search(question, groups, k)
            best = max((hit.relevance for hit in hits), default=0.0)
            span.set_attributes({"hits": len(hits), "relevance": best})
            if self._texts:
                span.set_inputs({"question": question})
                span.set_outputs([{"id": hit.chunk.id, "page_content": hit.chunk.text} for hit in hits])
            return hits

    def digests(self) -> Mapping[str, str]:
        return self._index.digests()

    def apply(self, upserts: Iterable[Chunk], deletes: Sequence[str]) -> None:
        self._index.apply(upserts, deletes)


class _Generator:
    """A generator whose answers are spans. See `Generator`."""

    def __init__(self, generator: Generator, texts: bool) -> None:
        self.cost = generator.cost
        self._generator = generator
        self._texts = texts

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        with mlflow.start_span("generate", SpanType.LLM) as span:
            return _noted(span, self._generator.answer(question, hits), self._texts)

    def stream(self, question: str, hits: Sequence[Hit]) -> Iterator[str | Answer]:
        with mlflow.start_span("generate", SpanType.LLM) as span:
            for item in self._generator.stream(question, hits):
                yield _noted(span, item, self._texts) if isinstance(item, Answer) else item


class _Guard:
    """A guard whose looks are spans. See `Guard`."""

    def __init__(self, guard: Guard, name: str) -> None:
        self._guard = guard
        self._name = name

    def check(self, text: str) -> Verdict:
        with mlflow.start_span(self._name, SpanType.GUARDRAIL) as span:
            verdict = self._guard.check(text)
            span.set_attributes({"allowed": verdict.allowed, "reason": verdict.reason})
            return verdict


def _guarded(guards: Guards) -> Guards:
    """Guards of questions and answers. Those of passages are many, and what they leave out the search's span tells."""
    return replace(guards, question=_named(guards.question), answer=_named(guards.answer))


def _named(guards: Sequence[Guard]) -> tuple[Guard, ...]:
    return tuple(_Guard(guard, f"guard: {_name(guard)}") for guard in guards)


def _name(guard: object) -> str:
    """What a guard is called: a module, or an object by its class."""
    return str(getattr(guard, "__name__", type(guard).__name__)).rpartition(".")[2]


def _noted(span: LiveSpan, answer: Answer, texts: bool) -> Answer:
    """The answer, noted in its span."""
    tokens = {"input_tokens": answer.tokens_in, "output_tokens": answer.tokens_out}
    span.set_attributes(
        {
            "outcome": answer.outcome,
            "reason": answer.reason,
            "model": answer.model,
            "prompt": answer.prompt,
            "citations": len(answer.citations),
            USAGE: tokens | {"total_tokens": sum(tokens.values())},
        }
    )
    if texts:
        span.set_outputs({"text": answer.text, "outcome": answer.outcome})
    return answer
