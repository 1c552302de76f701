"""Spans of calls and batches: whose child they are, what they tell, and that none of it holds a text."""

import logging
from collections.abc import Iterator

import grpc
import pytest
import structlog
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from attune.services.runtime import tracing
from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.tracing import (
    carried,
    current_trace_id,
    end_server_span,
    enter_server_span,
    processing,
    record_headers,
)
from attune.services.runtime.tracing_provider import make_provider
from attune.services.runtime.tracing_provider import tracing as traced

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SEARCH = "/attune.search.v1.SearchService/Search"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What was finished; the task's context is as it was afterwards."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", lambda: provider.get_tracer("test"))
    token = contexts.attach(contexts.Context())
    yield exporter
    contexts.detach(token)


def record(*headers: tuple[str, bytes]) -> Record:
    return Record("events", 3, 0, 0, b"key", b"value", headers)


def test_a_call_goes_on_from_its_callers_span(spans: InMemorySpanExporter) -> None:
    span = enter_server_span(SEARCH, {"traceparent": CALLER, "authorization": "Bearer secret"})
    assert current_trace_id() == CALLER.split("-")[1]
    onward = dict(carried())["traceparent"]
    end_server_span(span, grpc.StatusCode.OK, "acme")
    (found,) = spans.get_finished_spans()
    assert (found.name, found.kind) == ("attune.search.v1.SearchService/Search", SpanKind.SERVER)
    assert found.parent is not None
    assert trace.format_span_id(found.parent.span_id) == CALLER.split("-")[2]
    assert onward.split("-")[1:3] == [CALLER.split("-")[1], trace.format_span_id(found.context.span_id)]
    assert dict(found.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": "attune.search.v1.SearchService",
        "rpc.method": "Search",
        "rpc.grpc.status_code": 0,
        "attune.tenant": "acme",
    }


@pytest.mark.parametrize("metadata", [{}, {"traceparent": ""}, {"traceparent": "00-zz-1-01"}, {"traceparent": "x" * 9}])
def test_without_a_readable_caller_a_trace_begins(metadata: dict[str, str], spans: InMemorySpanExporter) -> None:
    end_server_span(enter_server_span(SEARCH, metadata), grpc.StatusCode.OK, "")
    (found,) = spans.get_finished_spans()
    assert found.parent is None


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, StatusCode.UNSET),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNSET),
        (grpc.StatusCode.INTERNAL, StatusCode.ERROR),
        (grpc.StatusCode.UNAVAILABLE, StatusCode.ERROR),
    ],
)
def test_the_servers_mistakes_are_errors(
    code: grpc.StatusCode, status: StatusCode, spans: InMemorySpanExporter
) -> None:
    end_server_span(enter_server_span(SEARCH, {}), code, "")
    (found,) = spans.get_finished_spans()
    assert found.status.status_code is status


def test_a_batch_links_to_the_calls_that_its_records_come_from(spans: InMemorySpanExporter) -> None:
    span = enter_server_span(SEARCH, {})
    written = record(*record_headers())
    end_server_span(span, grpc.StatusCode.OK, "")
    odd = [record(), record(("traceparent", b"\xff")), record(("traceparent", b"00-0-0-00"))]
    with processing("events", 3, [*odd, written]):
        assert current_trace_id()
    call, batch = spans.get_finished_spans()
    assert [link.context.span_id for link in batch.links] == [call.context.span_id]
    assert batch.parent is None  # a batch is of many calls
    assert (batch.attributes or {})["messaging.destination.name"] == "events"


def test_a_batch_that_fails_tells_no_message(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="secret"), processing("events", 0, []):
        raise ValueError("secret")
    (batch,) = spans.get_finished_spans()
    assert batch.status.status_code is StatusCode.ERROR
    assert "secret" not in batch.to_json()


def test_a_batch_has_so_many_links_at_most(spans: InMemorySpanExporter) -> None:
    with processing("events", 0, [record(("traceparent", CALLER.encode()))] * 500):
        pass
    assert len(spans.get_finished_spans()[0].links) == 32


def test_without_a_provider_nothing_is_made() -> None:
    token = contexts.attach(contexts.Context())
    end_server_span(enter_server_span(SEARCH, {}), grpc.StatusCode.OK, "")
    assert (carried(), record_headers(), current_trace_id()) == ((), (), "")
    contexts.detach(token)


def test_log_lines_of_a_traced_call_tell_the_trace(
    spans: InMemorySpanExporter, capsys: pytest.CaptureFixture[str]
) -> None:
    from attune.services.runtime.logs import configure_logs  # noqa: PLC0415 - it is undone here

    before, level = structlog.get_config(), logging.getLogger("psycopg.pool").level
    try:
        configure_logs("info")
        structlog.get_logger("test").info("outside")
        enter_server_span(SEARCH, {"traceparent": CALLER})
        structlog.get_logger("test").info("inside")
    finally:
        structlog.configure(**before)
        logging.getLogger("psycopg.pool").setLevel(level)
    outside, inside = capsys.readouterr().err.splitlines()
    assert "trace_id" not in outside
    assert f'"trace_id": "{CALLER.split("-")[1]}"' in inside


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_callers_decide_for_their_traces_and_the_ratio_for_others(ratio: float) -> None:
    exporter = InMemorySpanExporter()
    provider = make_provider(Config(trace_ratio=ratio), [RoleName.SEARCH], exporter)
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("begun here", contexts.Context()):
        pass
    parent = tracing._PROPAGATOR.extract({"traceparent": CALLER}, contexts.Context())
    with tracer.start_as_current_span("sampled by the caller", parent):
        pass
    provider.shutdown()
    found = exporter.get_finished_spans()
    assert [each.name for each in found] == ["begun here"] * int(ratio) + ["sampled by the caller"]
    assert found[0].resource.attributes["service.name"] == "attune-search"


def test_an_endpoint_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="ATTUNE_OTLP_ENDPOINT"), traced(Config(otlp_endpoint="collector:4317"), []):
        pass
