"""Traces (OpenTelemetry): a span for each call and each batch of records, whoever is behind it. No text is in any.

What a span is part of travels as W3C's `traceparent`: in the metadata of calls, and in the headers of records, where
the reader's span links to it. Without a provider (tracing_provider.py) all of this does nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

import grpc
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from attune.services.runtime.eventlog.port import Record

_MOST_LINKS = 32
"""Of a batch, to the calls that its records come from."""
_PROPAGATOR = TraceContextTextMapPropagator()
_SERVER_MISTAKES = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Those that OpenTelemetry's conventions count as errors of a server."""


def enter_server_span(method: str, metadata: Mapping[str, str]) -> Span:
    """The span of a call such as /attune.search.v1.SearchService/Search, from now on the current one of this task.

    It goes on from the caller's, where the metadata tell one. It is not left again: each call is a task of its own.
    """
    service, _, name = method.removeprefix("/").partition("/")
    parent = _PROPAGATOR.extract(metadata, contexts.Context())
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
    span = _tracer().start_span(f"{service}/{name}", parent, SpanKind.SERVER, attributes)
    contexts.attach(set_span_in_context(span))
    return span


def end_server_span(span: Span, code: grpc.StatusCode, tenant: str) -> None:
    """The call is answered."""
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    span.set_attribute("attune.tenant", tenant)
    if code in _SERVER_MISTAKES:
        span.set_status(Status(StatusCode.ERROR, code.name))
    span.end()


def carried() -> tuple[tuple[str, str], ...]:
    """Metadata that let a call, made now, be part of the current trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return tuple(carrier.items())


def record_headers() -> tuple[tuple[str, bytes], ...]:
    """The same for records that are written now."""
    return tuple((key, value.encode()) for key, value in carried())


@contextmanager
def processing(topic: str, partition: int, records: Iterable[Record]) -> Iterator[None]:
    """A span of applying a batch; a trace of its own, with links to those that its records come from."""
    links = islice(filter(None, map(_link, records)), _MOST_LINKS)
    attributes = {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
    }
    with _tracer().start_as_current_span(
        f"process {topic}",
        contexts.Context(),
        SpanKind.CONSUMER,
        attributes,
        list(links),
        record_exception=False,  # a message of somebody else's may quote what it is about
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def current_trace_id() -> str:
    """In 32 hexadecimal digits; empty outside of any trace."""
    found = trace.get_current_span().get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else ""


class _Headers(Getter[Record]):
    """Reads the headers of a record."""

    def get(self, carrier: Record, key: str) -> list[str] | None:
        found = [value.decode(errors="replace") for name, value in carrier.headers if name == key]
        return found or None

    def keys(self, carrier: Record) -> list[str]:
        return [name for name, _ in carrier.headers]


_HEADERS = _Headers()


def _link(record: Record) -> Link | None:
    found = trace.get_current_span(_PROPAGATOR.extract(record, contexts.Context(), _HEADERS)).get_span_context()
    return Link(found) if found.is_valid else None


def _tracer() -> trace.Tracer:
    return trace.get_tracer("attune")
