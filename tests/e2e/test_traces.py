"""One search, and one click, followed through the roles by their traces."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.e2e.conftest import record_visibly

from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.client.events import interaction
from attune.services.runtime import tracing
from attune.services.runtime.clock import system_clock
from attune.services.runtime.events import TOPIC

pytestmark = pytest.mark.e2e
CANARY = "wombatology"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", lambda: provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [each for each in spans.get_finished_spans() if each.name.endswith(name)]


def test_a_search_is_one_trace_through_the_roles(client: Client, spans: InMemorySpanExporter) -> None:
    client.search(f"asyncio {CANARY}", user="traced-ada")
    (search,) = named(spans, "SearchService/Search")
    parts = [*named(spans, "EmbeddingService/Embed"), *named(spans, "KnowledgeService/RetrieveEntities")]
    assert {each.name.partition("/")[0] for each in parts} >= {
        "attune.embedding.v1.EmbeddingService",
        "attune.knowledge.v1.KnowledgeService",
    }
    assert {each.context.trace_id for each in parts} == {search.context.trace_id}
    assert {each.parent.span_id for each in parts if each.parent} == {search.context.span_id}
    assert CANARY not in "".join(each.to_json() for each in spans.get_finished_spans())


def test_what_applies_an_event_links_to_the_call_that_recorded_it(
    system: System, client: Client, spans: InMemorySpanExporter
) -> None:
    event = interaction("traced-bob", "query", system_clock(), query=f"coroutines {CANARY}")
    record_visibly(client, [event])
    (recorded,) = named(spans, "KnowledgeService/RecordInteractions")
    links = {link.context.span_id for batch in named(spans, f"process {TOPIC}") for link in batch.links}
    assert recorded.context.span_id in links, trace.format_span_id(recorded.context.span_id)
    assert CANARY not in "".join(each.to_json() for each in spans.get_finished_spans())
