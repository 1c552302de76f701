"""Documents from Kafka into an index that two workers share: they come and go, and the newest of each stays."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from tests.fakes import kafka as fakes
from tests.unit.search.conftest import DIMENSION, Services

from attune.search.v1.search_pb2 import Document
from attune.services.client import deletion_record, document_record
from attune.services.runtime.consuming.backlog import BatchLimits
from attune.services.runtime.consuming.worker import PartitionWorker
from attune.services.runtime.documents import DOCUMENTS_TOPIC, document_key
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.kafka_group import KafkaGroupConsumer
from attune.services.runtime.eventlog.kafka_log import KafkaEventLog
from attune.services.runtime.eventlog.kafka_topics import Wanted, init_topics
from attune.services.runtime.metrics import Metrics
from attune.services.search.document_log.metrics import DocumentLogMetrics
from attune.services.search.document_log.settings import DocumentLogSettings
from attune.services.search.document_log.worker import document_worker
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Index
from attune.services.search.indexing import Indexer

PARTITIONS = 3
DOCUMENTS = 40


@pytest.fixture
def log(connection: KafkaConnection) -> Iterator[KafkaEventLog]:
    init_topics(connection, Wanted(partitions=PARTITIONS))
    opened = KafkaEventLog(connection)
    yield opened
    opened.close()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    opened = open_edge_index(tmp_path / "index", IndexIdentity("model-a", DIMENSION))
    yield opened
    opened.close()


@dataclass
class Producer:
    """Somebody else's, that knows what should be in the index."""

    send: Callable[..., Any]
    expected: dict[str, str] = field(default_factory=dict)

    def put(self, number: int, text: str) -> None:
        record = document_record("acme", Document(document_id=f"doc/{number}", text=text))
        self.send(DOCUMENTS_TOPIC, key=record.key, value=record.value, headers=record.headers)
        self.expected[f"doc/{number}"] = text

    def put_as_json(self, number: int, text: str) -> None:
        value = json.dumps({"put": {"documentId": f"doc/{number}", "text": text}}).encode()
        headers = [("content-type", b"application/json")]
        self.send(DOCUMENTS_TOPIC, key=document_key("acme", f"doc/{number}"), value=value, headers=headers)
        self.expected[f"doc/{number}"] = text

    def delete(self, number: int) -> None:
        record = deletion_record("acme", f"doc/{number}")
        self.send(DOCUMENTS_TOPIC, key=record.key, value=record.value, headers=record.headers)
        self.expected.pop(f"doc/{number}", None)

    def at_random(self, count: int, chance: np.random.Generator) -> None:
        for place in range(count):
            changes = (self.put, self.put, self.put_as_json, lambda number, _: self.delete(number))
            change = changes[chance.integers(len(changes))]
            change(int(chance.integers(DOCUMENTS)), f"text {place} {chance.random()}")


def worker(connection: KafkaConnection, log: KafkaEventLog, index: Index, group: str) -> PartitionWorker:
    source = Source(log, lambda topic, owner: KafkaGroupConsumer(connection, group, topic, owner))
    indexer = Indexer(index, Services())  # type: ignore[arg-type]
    settings = DocumentLogSettings(BatchLimits(records=20, wait_s=0.02))
    return document_worker(source, index, indexer, lambda: datetime.now(UTC), DocumentLogMetrics(Metrics()), settings)


def held(index: Index) -> dict[str, str]:
    ids = [f"doc/{number}" for number in range(DOCUMENTS)]
    return {name: document.text for name, document in index.documents("acme", ids).items()}


async def until(condition: Callable[[], bool]) -> None:
    """Wait in a thread: the loop is the workers'."""
    await asyncio.to_thread(fakes.until, condition)


async def test_workers_come_and_go_and_the_newest_of_each_document_is_indexed(
    connection: KafkaConnection, log: KafkaEventLog, index: Index, foreign: Callable[..., Any]
) -> None:
    chance, group = np.random.default_rng(8), uuid4().hex
    kafka = foreign()
    producer = Producer(kafka.send)
    first = worker(connection, log, index, group)
    first.start()
    producer.at_random(300, chance)
    await until(lambda: any(index.log_offset(each) for each in range(PARTITIONS)))
    second = worker(connection, log, index, group)
    second.start()
    producer.at_random(300, chance)
    await until(lambda: sum(index.log_offset(each) for each in range(PARTITIONS)) > 300)
    await asyncio.to_thread(first.stop)
    producer.at_random(300, chance)
    kafka.flush()
    await until(lambda: applied(index) == [log.end_offset(DOCUMENTS_TOPIC, each) for each in range(PARTITIONS)])
    assert held(index) == producer.expected
    await asyncio.to_thread(second.stop)


def applied(index: Index) -> list[int]:
    return [index.log_offset(each) for each in range(PARTITIONS)]


async def test_a_null_value_deletes_nothing_and_a_new_index_reads_all_that_is_left(
    connection: KafkaConnection, log: KafkaEventLog, index: Index, foreign: Callable[..., Any]
) -> None:
    kafka = foreign()
    producer = Producer(kafka.send)
    producer.put(1, "kept")
    kafka.send(DOCUMENTS_TOPIC, key=document_key("acme", "doc/1"), value=None)
    producer.put(2, "gone")
    producer.delete(2)
    kafka.flush()
    reading = worker(connection, log, index, uuid4().hex)
    reading.start()
    await until(lambda: applied(index) == [log.end_offset(DOCUMENTS_TOPIC, each) for each in range(PARTITIONS)])
    await asyncio.to_thread(reading.stop)
    assert held(index) == {"doc/1": "kept"}
