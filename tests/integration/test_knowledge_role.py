"""The knowledge role over real gRPC, with a log and a store that the test looks into."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from attune.events.v1.events_pb2 import EVENT_TYPE_QUERY, InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceStub
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.model import HALF_LIFE, EventKind, Interaction, LogPosition, UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.settings import IngestSettings
from attune.services.ingest.worker import IngestWorker
from attune.services.knowledge.main import build
from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.consuming.backlog import BatchLimits
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.server import RoleServer

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ADA = UserKey("default", "ada")


@pytest.fixture
def knowledge() -> Knowledge:
    catalog = Catalog.load(['{"id": "asyncio", "label": "asyncio"}'])
    graph = CatalogGraph(catalog)
    return Knowledge(catalog, graph, Linker(catalog, graph), MemoryStore())


@asynccontextmanager
async def serving(knowledge: Knowledge, log: LocalEventLog, directory: Path) -> AsyncIterator[tuple[RoleServer, Any]]:
    config = Config(data_dir=directory, knowledge_port=0)
    role = await build(config, clock=lambda: NOW, knowledge=knowledge, event_log=log)
    server = await RoleServer.start(role, config, Metrics())
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield server, KnowledgeServiceStub(channel)
    finally:
        await server.stop(0)


def query(number: int, user: str) -> pb.RecordInteractionsRequest:
    event = InteractionEvent(user_id=user, event_id=str(number), type=EVENT_TYPE_QUERY, user_query="asyncio")
    event.occurred_at.FromDatetime(NOW)
    return pb.RecordInteractionsRequest(event=event)


async def test_a_query_and_a_title_are_linked_together_and_each_mention_says_which_it_is_of(tmp_path: Path) -> None:
    catalog = Catalog.load(
        [
            '{"id": "country", "label": "Georgia", "links": [{"relation": "capital", "target": "tbilisi"}]}',
            '{"id": "state", "label": "Georgia"}',
            '{"id": "tbilisi", "label": "Tbilisi", "aliases": ["Tiflis"]}',
        ]
    )
    graph = CatalogGraph(catalog)
    knowledge = Knowledge(catalog, graph, Linker(catalog, graph), MemoryStore())
    request = pb.LinkEntitiesRequest(
        inputs=[
            pb.LinkInput(text="georgia"),
            pb.LinkInput(text="georgia", context="Old Tiflis"),
            pb.LinkInput(text="georgia", together=["Old Tiflis", "nothing", "Tbilisi"]),
        ]
    )
    async with serving(knowledge, LocalEventLog(tmp_path / "events"), tmp_path) as (_, stub):
        alone, in_context, together = (await stub.LinkEntities(request)).texts
    assert {each.text_index for each in (*alone.mentions, *in_context.mentions)} <= {0}
    assert [(each.text_index, each.start, each.end, each.entity_id) for each in together.mentions] == [
        (0, 0, 7, "country"),
        (1, 4, 10, "tbilisi"),
        (3, 0, 7, "tbilisi"),
    ]
    assert "Tiflis" not in [each.surface for each in in_context.mentions]


async def test_documents_are_unlinked_and_teach_nothing_any_more(knowledge: Knowledge, tmp_path: Path) -> None:
    documents = [pb.ObjectInput(object_id=name, title="asyncio") for name in ("d1", "d2")]
    async with serving(knowledge, LocalEventLog(tmp_path / "events"), tmp_path) as (_, stub):
        await stub.LinkObjects(pb.LinkObjectsRequest(objects=documents))
        for ids, unlinked in ((["d1", "d1", "never linked"], 1), (["d1"], 0)):
            answer = await stub.UnlinkObjects(pb.UnlinkObjectsRequest(object_ids=ids))
            assert answer.unlinked == unlinked
        clicks = [Interaction(name, ADA, EventKind.CLICK, NOW, NOW, object_id=name) for name in ("d1", "d2")]
        knowledge.handle(clicks)
        assert knowledge.entity_page(ADA, None, 10)[0].count == 1


@pytest.mark.parametrize("ids", [[], [""], ["x" * 513], ["x"] * 1025])
async def test_ids_to_unlink_are_held_against_their_rules(knowledge: Knowledge, tmp_path: Path, ids: list[str]) -> None:
    async with serving(knowledge, LocalEventLog(tmp_path / "events"), tmp_path) as (_, stub):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.UnlinkObjects(pb.UnlinkObjectsRequest(object_ids=ids))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert str(caught.value.details()).startswith("object_ids")


async def test_offsets_say_when_events_are_visible_whatever_their_partitions(
    knowledge: Knowledge, tmp_path: Path
) -> None:
    log = LocalEventLog(tmp_path / "events", partitions=3)
    settings = IngestSettings(BatchLimits(wait_s=0))
    worker = IngestWorker(Source.local(log), knowledge, lambda: NOW, IngestMetrics(Metrics()), settings)
    async with serving(knowledge, log, tmp_path) as (_, stub):
        sent = await stub.RecordInteractions(iter([query(number, f"user-{number % 10}") for number in range(40)]))
        assert sent.accepted == 40
        assert sum(sent.log_end_offsets.values()) == 40
        assert sent.log_end_offset == max(sent.log_end_offsets.values())
        profile = await stub.GetUserProfile(pb.GetUserProfileRequest(user_id="user-1"))
        assert all(profile.applied_offsets[each] < end for each, end in sent.log_end_offsets.items())
        assert profile.applied_offset < sent.log_end_offset
        assert worker.step(0) == 40
        profile = await stub.GetUserProfile(pb.GetUserProfileRequest(user_id="user-1"))
        assert profile.applied_offsets == sent.log_end_offsets
        assert (profile.applied_offset, profile.events) == (min(sent.log_end_offsets.values()), 4)


async def test_an_export_weighs_as_every_other_answer_does(knowledge: Knowledge, tmp_path: Path) -> None:
    then = NOW - HALF_LIFE
    knowledge.handle([Interaction("1", ADA, EventKind.QUERY, then, then, user_query="asyncio")])
    async with serving(knowledge, LocalEventLog(tmp_path / "events"), tmp_path) as (_, stub):
        exported = [each async for each in stub.ExportUser(pb.ExportUserRequest(user_id="ada"))]
        listed = await stub.ListUserEntities(pb.ListUserEntitiesRequest(user_id="ada"))
    (entity,) = [each.entity for each in exported if each.HasField("entity")]
    assert entity == listed.entities[0]
    assert entity.evidence.weight == pytest.approx(0.5)


class Gated(LocalEventLog):
    """A log whose redactions wait at a gate."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reached, self.gate = threading.Event(), threading.Event()

    def redact(self, topic: str, key: bytes) -> int:
        self.reached.set()
        assert self.gate.wait(30)
        return super().redact(topic, key)


@pytest.mark.parametrize("timeout_s", [0.3, 60])
async def test_a_user_is_forgotten_to_the_end_whether_the_deadline_passes_or_the_server_stops(
    knowledge: Knowledge, tmp_path: Path, timeout_s: float
) -> None:
    log = Gated(tmp_path / "events")
    for topic in (TOPIC, DEAD_LETTER_TOPIC):
        log.append(topic, [Entry(b"default/ada", b"secret")], NOW)
    async with serving(knowledge, log, tmp_path) as (server, stub):
        call = stub.ForgetUser(pb.ForgetUserRequest(user_id="ada"), timeout=timeout_s)
        assert await asyncio.to_thread(log.reached.wait, 30)
        if timeout_s < 1:
            assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        stopping = asyncio.create_task(server.stop(0))
        assert await call.code() in {
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.CANCELLED,
            grpc.StatusCode.UNAVAILABLE,
        }
        assert not stopping.done()
        log.gate.set()
        await stopping
    reader = LocalEventLog(tmp_path / "events")
    for topic in (TOPIC, DEAD_LETTER_TOPIC):
        assert reader.poll(topic, 0, 0, 10, 1 << 20, 0) == []


async def test_a_log_that_the_store_was_not_computed_from_is_not_written_to(
    knowledge: Knowledge, tmp_path: Path
) -> None:
    knowledge.store.restore([], LogPosition("attune.forgets.v1", 0, 3))
    with pytest.raises(ConfigError, match=r"attune\.forgets\.v1/0 up to 3, but the log ends at 0: put the log back"):
        await build(Config(), knowledge=knowledge, event_log=LocalEventLog(tmp_path))


async def test_what_was_removed_before_the_store_was_lost_is_known_before_the_first_call(
    knowledge: Knowledge, tmp_path: Path
) -> None:
    log = LocalEventLog(tmp_path / "events")
    async with serving(knowledge, log, tmp_path) as (_, stub):
        await stub.ForgetUser(pb.ForgetUserRequest(user_id="ada"))
    new = Knowledge(knowledge.catalog, knowledge.graph, knowledge.linker, MemoryStore())
    async with serving(new, LocalEventLog(tmp_path / "events"), tmp_path) as (_, stub):
        answer = await stub.RecordInteractions(iter([query(1, "ada"), query(1, "bea")]))
        assert (answer.accepted, answer.rejected[0].field) == (1, "occurred_at")
        profile = await stub.GetUserProfile(pb.GetUserProfileRequest(user_id="ada"))
        assert profile.forgotten_at.ToDatetime(UTC) == NOW


async def test_a_changed_catalog_is_served_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "catalog.jsonl"
    path.write_text('{"id": "old", "label": "Old"}\n', "utf-8")
    config = Config(data_dir=tmp_path, knowledge_port=0, catalog_poll_s=0.02)
    server = await RoleServer.start(await build(config), config, Metrics())
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = KnowledgeServiceStub(channel)
            answer = await stub.GetEntity(pb.GetEntityRequest(entity_id="old"))
            assert answer.label == "Old"
            path.write_text('{"id": "new", "label": "New"}\n{"merged": "old", "into": "new"}\n', "utf-8")
            async with asyncio.timeout(30):
                while answer.label != "New":
                    await asyncio.sleep(0.02)
                    answer = await stub.GetEntity(pb.GetEntityRequest(entity_id="old"))
            assert answer.entity_id == "new"
    finally:
        await server.stop(0)
