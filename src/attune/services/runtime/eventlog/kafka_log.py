"""The event log in Apache Kafka, for more than one machine.

Brokers date the records, so that `now` of an append is not used. What a topic keeps, and for how long, is Kafka's to do
by the settings that kafka_topics.py makes; `redact` erases by compaction in the topics that are kept for ever, and
nothing in those that are kept for a time.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kafka import TopicPartition
from kafka.record.default_records import DefaultRecordBatchBuilder

from attune.services.runtime.eventlog.errors import (
    LogClosedError,
    LogRefusedError,
    RecordTooLargeError,
    UnknownPartitionError,
)
from attune.services.runtime.eventlog.framing import entry_bytes
from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.kafka_reader import KafkaReader
from attune.services.runtime.eventlog.kafka_records import kafka_key, key_of, partition_of, to_record
from attune.services.runtime.eventlog.kafka_sender import KafkaSender
from attune.services.runtime.eventlog.kafka_topics import BATCH_OVERHEAD, partitions_of_topics
from attune.services.runtime.eventlog.names import check_topic_name
from attune.services.runtime.eventlog.port import Entry, Erasure, Position, Record, epoch_ms
from attune.services.runtime.eventlog.topics import TOPICS, Keeps, Topic


@dataclass(frozen=True, slots=True)
class _Sending:
    """What goes to Kafka: an entry, or the null that redacts what lies there under `kafka_key`."""

    key: bytes
    kafka_key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class KafkaEventLog:
    """An `EventLog` of the topics in topics.py. Any thread may call; any number of processes may share them."""

    def __init__(self, connection: KafkaConnection) -> None:
        """Connect, and see that all topics are there.

        Raises:
            MissingTopicError, LogRefusedError: they are not, or not fit to keep what they must.
            LogUnavailableError: Kafka does not answer.
        """
        self._connection = connection
        self._partitions = partitions_of_topics(connection)
        self._closed = threading.Event()
        self._reader = KafkaReader(connection, self._closed)
        self._sender = KafkaSender(connection)

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        """See `LogWriter.append`; the brokers date the entries."""
        row = self._row(topic)
        epoch_ms(now)  # refused here too where it has no time zone
        for entry in entries:
            _check_size(row, entry)
        return self._send(topic, [_sending(row, entry) for entry in entries])

    def poll(
        self, topic: str, partition: int, offset: int, max_records: int, max_bytes: int, timeout_s: float
    ) -> list[Record]:
        """See `LogReader.poll`. Records that went by retention before they were read are passed over, and logged."""
        row, place = self._row(topic), self._place(topic, partition)
        return self._reader.read(place, offset, lambda each: to_record(row, each), (max_records, max_bytes), timeout_s)

    def end_offset(self, topic: str, partition: int) -> int:
        return self._reader.end_offset(self._place(topic, partition))

    def partition_count(self, topic: str) -> int:
        """As it was at the start: a topic that gets more partitions is read anew by the next start."""
        self._row(topic)
        return self._partitions[topic]

    def erasure(self, topic: str) -> Erasure:
        return Erasure.BY_RETENTION if self._row(topic).keeps is Keeps.FOR_A_TIME else Erasure.BY_COMPACTION

    def redact(self, topic: str, key: bytes) -> int:
        """See `EventLog.redact`; reads every record of the key's partition, and appends a null for each Kafka key."""
        row = self._row(topic)
        if row.keeps is Keeps.FOR_A_TIME:
            return 0
        live: dict[bytes, int] = {}
        for each in self._reader.everything(self._place(topic, self._partition_of(topic, key))):
            kept = each.key or b""
            if key_of(row, kept) == key:
                live[kept] = 0 if each.value is None else live.get(kept, 0) + 1
        self._send(topic, [_Sending(key, kept, None) for kept, count in live.items() if count])
        return sum(live.values())

    def close(self) -> None:
        """See `EventLog.close`; gives what is being appended a second."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._reader.close()
        self._sender.close()

    def _send(self, topic: str, sendings: Iterable[_Sending]) -> list[Position]:
        arguments = [
            {
                "key": each.kafka_key,
                "value": each.value,
                "headers": list(each.headers),
                "partition": self._partition_of(topic, each.key),
            }
            for each in sendings
        ]
        return [Position(each.topic, each.partition, each.offset) for each in self._sender.send(topic, arguments)]

    def _row(self, topic: str) -> Topic:
        if self._closed.is_set():
            raise LogClosedError
        check_topic_name(topic)
        if topic not in TOPICS:
            raise LogRefusedError(f"{topic} is none of attune's topics: add it to eventlog/topics.py")
        return TOPICS[topic]

    def _place(self, topic: str, partition: int) -> TopicPartition:
        self._row(topic)
        count = self._partitions[topic]
        if not 0 <= partition < count:
            raise UnknownPartitionError(topic, partition, count)
        return TopicPartition(topic, partition)

    def _partition_of(self, topic: str, key: bytes) -> int:
        return partition_of(key, self._partitions[topic])


def _check_size(row: Topic, entry: Entry) -> None:
    size = entry_bytes(entry.key, entry.value, entry.headers)
    if size > row.most_bytes:
        raise RecordTooLargeError(size, row.most_bytes)
    # As Kafka counts: only thousands of headers make a difference.
    whole = DefaultRecordBatchBuilder.estimate_size_in_bytes(entry.key, entry.value, list(entry.headers))
    if whole > row.most_bytes + BATCH_OVERHEAD:
        raise RecordTooLargeError(whole, row.most_bytes + BATCH_OVERHEAD)


def _sending(row: Topic, entry: Entry) -> _Sending:
    return _Sending(entry.key, kafka_key(row, entry.key, entry.value), entry.value, entry.headers)
