"""The knowledge role with its log in Kafka, over real gRPC."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from attune.events.v1.events_pb2 import EVENT_TYPE_QUERY, InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceStub
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.knowledge.main import build
from attune.services.runtime.config import Config
from attune.services.runtime.eventlog.errors import LogUnavailableError
from attune.services.runtime.eventlog.kafka_log import KafkaEventLog
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import EventLog, Position
from attune.services.runtime.events import TOPIC
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.restoring import restore
from attune.services.runtime.server import RoleServer
from attune.services.runtime.state_topics import every_record

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ADA = UserKey("default", "ada")


@asynccontextmanager
async def serving(log: EventLog, directory: Path) -> AsyncIterator[Any]:
    catalog = Catalog.load(['{"id": "asyncio", "label": "asyncio"}'])
    graph = CatalogGraph(catalog)
    knowledge = Knowledge(catalog, graph, Linker(catalog, graph), MemoryStore())
    config = Config(data_dir=directory, knowledge_port=0)
    role = await build(config, clock=lambda: NOW, knowledge=knowledge, event_log=log)
    server = await RoleServer.start(role, config, Metrics())
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield KnowledgeServiceStub(channel)
    finally:
        await server.stop(0)


def queries(count: int) -> list[pb.RecordInteractionsRequest]:
    made = []
    for number in range(count):
        event = InteractionEvent(user_id="ada", event_id=str(number), type=EVENT_TYPE_QUERY, user_query="asyncio")
        event.occurred_at.FromDatetime(NOW)
        made.append(pb.RecordInteractionsRequest(event=event))
    return made


async def test_what_is_forgotten_is_so_for_a_store_built_anew(log: KafkaEventLog, connection, tmp_path: Path) -> None:
    async with serving(log, tmp_path) as stub:
        recorded = await stub.RecordInteractions(iter(queries(3)))
        await stub.ForgetEntity(pb.ForgetEntityRequest(user_id="ada", entity_id="asyncio"))
        forgotten = await stub.ForgetUser(pb.ForgetUserRequest(user_id="ada"))
    assert (recorded.accepted, recorded.log_end_offset) == (3, 3)
    # Events go by retention, and are told as none; what was removed is redacted.
    assert {place: forgotten.removed[place] for place in ("event_log", "dead_letters", "removals")} == {
        "event_log": 0,
        "dead_letters": 0,
        "removals": 1,
    }
    again, store = KafkaEventLog(connection), MemoryStore()
    restore(again, store)
    assert store.forgotten([ADA]) == {ADA: forgotten.forgotten_at.ToDatetime(UTC)}
    assert len(list(every_record(again, TOPIC))) == 3
    again.close()


class Unavailable(LocalEventLog):
    def append(self, *_arguments: object) -> list[Position]:
        raise LogUnavailableError("Kafka at broker:9092 does not answer")


async def test_a_log_that_does_not_answer_is_unavailable_and_may_be_tried_again(tmp_path: Path) -> None:
    async with serving(Unavailable(tmp_path / "events"), tmp_path) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.RecordInteractions(iter(queries(1)))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert caught.value.details() == "Kafka at broker:9092 does not answer"
    status = rpc_status.from_call(caught.value)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (info.reason, retry.retry_delay.seconds) == ("EVENT_LOG_UNAVAILABLE", 1)
