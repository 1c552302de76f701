"""Reading a partition of Kafka from any offset, from any thread.

A consumer of kafka-python is one thread's at a time. There are as many as threads that ever read at once; each goes
back to a shelf after use, and is taken from there by preference for the partition that it has read before.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

import structlog
from kafka import KafkaConsumer, TopicPartition, errors

from attune.services.runtime.eventlog.errors import LogUnavailableError, OffsetOutOfRangeError
from attune.services.runtime.eventlog.framing import entry_bytes
from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.port import Record

_log = structlog.get_logger("attune.eventlog.kafka")
_LOOK_UP_S = 0.1  # how long a read may wait before it looks whether the log was closed
READING: dict[str, Any] = {
    "isolation_level": "read_committed",
    "auto_offset_reset": "none",
    "enable_auto_commit": False,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
    "fetch_max_wait_ms": int(_LOOK_UP_S * 1000),
}
"""Options of every consumer: offsets are the store's, and what a producer took back was never there."""


class _Consumer:
    """A consumer of kafka-python, and the partition that it stands in."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.place: TopicPartition | None = None

    def close(self) -> None:
        self.client.close(autocommit=False, timeout_ms=0)


Convert = Callable[[Any], Record | None]


class KafkaReader:
    """Reads for a log until that is closed."""

    def __init__(self, connection: KafkaConnection, closed: threading.Event) -> None:
        self._connection = connection
        self._closed = closed
        self._shelf: list[_Consumer] = []
        self._mutex = threading.Lock()

    def read(
        self, place: TopicPartition, offset: int, convert: Convert, limits: tuple[int, int], timeout_s: float
    ) -> list[Record]:
        """What `LogReader.poll` returns, with `limits` of records and bytes; `convert` says what counts as a record."""
        with self._consumer(place) as consumer:
            # Who does not wait mostly asks for what is there; without this, nothing would cost a stretch of waiting.
            end = self._end(consumer, place) if timeout_s <= 0 or offset < 0 else None
            if offset < 0 or offset == end:
                return self._nothing(place, offset, end or 0)
            self._stand_at(consumer, place, offset)
            waited = _Waiting(timeout_s, self._connection.patience_ms / 1000)
            while True:
                found = self._some(consumer, place, limits[0], waited.slice_s())
                records = [record for each in found if (record := convert(each)) is not None]
                if records or self._closed.is_set():
                    return within(records, limits[1])
                end = self._end(consumer, place) if end is None else end
                position = self._position(consumer, place)
                if position >= end and waited.is_over:
                    return self._nothing(place, offset, end)
                waited.note(position, end, self._connection.servers)

    def end_offset(self, place: TopicPartition) -> int:
        """The offset that the next record gets, or that of the first record whose transaction is still open."""
        with self._consumer(place) as consumer:
            return self._end(consumer, place)

    def everything(self, place: TopicPartition) -> Iterator[Any]:
        """All that the partition holds by now, as kafka-python gives it."""
        with self._consumer(place) as consumer:
            end = self._end(consumer, place)
            self._stand_at(consumer, place, self._start(consumer, place))
            waited = _Waiting(0, self._connection.patience_ms / 1000)
            while (position := self._position(consumer, place)) < end:
                waited.note(position, end, self._connection.servers)
                found = self._some(consumer, place, None, waited.slice_s())
                yield from takewhile(lambda each: each.offset < end, found)

    def close(self) -> None:
        """Close the consumers on the shelf; those in use are closed when they are put back."""
        with self._mutex:
            shelf, self._shelf = self._shelf, []
        for each in shelf:
            each.close()

    @contextmanager
    def _consumer(self, place: TopicPartition) -> Iterator[_Consumer]:
        with self._connection.errors_told():
            consumer = self._take(place)
            try:
                yield consumer
            finally:
                self._put_back(consumer)  # after an error too: it connects again by itself

    def _take(self, place: TopicPartition) -> _Consumer:
        with self._mutex:
            fitting = next((each for each in self._shelf if each.place == place), None)
            taken = fitting or next(iter(self._shelf), None)
            if taken:
                self._shelf.remove(taken)
        return taken or _Consumer(self._connection.client(KafkaConsumer, **READING))

    def _put_back(self, consumer: _Consumer) -> None:
        with self._mutex:
            self._shelf.append(consumer)
        if self._closed.is_set():
            self.close()

    def _stand_at(self, consumer: _Consumer, place: TopicPartition, offset: int) -> None:
        """Where it stands there already, what it has fetched ahead is kept."""
        if consumer.place != place:
            consumer.client.assign([place])
            consumer.place = place
        elif self._position(consumer, place) == offset:
            return
        consumer.client.seek(place, offset)

    def _some(self, consumer: _Consumer, place: TopicPartition, most: int | None, timeout_s: float) -> list[Any]:
        offset = self._position(consumer, place)
        try:
            found = consumer.client.poll(timeout_ms=timeout_s * 1000, max_records=most)
        except errors.OffsetOutOfRangeError:
            self._pass_over_what_is_gone(consumer, place, offset)
            return []
        return list(found.get(place, ()))

    def _pass_over_what_is_gone(self, consumer: _Consumer, place: TopicPartition, offset: int) -> None:
        start, end = self._start(consumer, place), self._end(consumer, place)
        if offset >= start:
            raise OffsetOutOfRangeError(place.topic, place.partition, offset, end)
        if offset > 0:  # zero is where a new store begins, whatever is there
            _log.error(
                "unread records are gone by retention",
                topic=place.topic,
                partition=place.partition,
                count=start - offset,
            )
        consumer.client.seek(place, start)

    def _nothing(self, place: TopicPartition, offset: int, end: int) -> list[Record]:
        if not 0 <= offset <= end:
            raise OffsetOutOfRangeError(place.topic, place.partition, offset, end)
        return []

    def _position(self, consumer: _Consumer, place: TopicPartition) -> int:
        return int(consumer.client.position(place, timeout_ms=0))

    def _end(self, consumer: _Consumer, place: TopicPartition) -> int:
        return int(consumer.client.end_offsets([place], timeout_ms=self._connection.patience_ms)[place])

    def _start(self, consumer: _Consumer, place: TopicPartition) -> int:
        return int(consumer.client.beginning_offsets([place], timeout_ms=self._connection.patience_ms)[place])


class _Waiting:
    """How long a read waits: as its caller wants while there is nothing, and for what is there as long as it takes."""

    def __init__(self, timeout_s: float, patience_s: float) -> None:
        # A duration, not a time of day: nothing that is stored or ranked depends on it.
        self._until = time.monotonic() + timeout_s
        self._patience_s = patience_s
        self._given_up = time.monotonic() + max(timeout_s, patience_s)
        self._position = -1

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._until

    def slice_s(self) -> float:
        """The next stretch of waiting. After the caller's time it is waited only for records that are known to be."""
        remaining = self._until - time.monotonic()
        return min(remaining, _LOOK_UP_S) if remaining > 0 else _LOOK_UP_S

    def note(self, position: int, end: int, servers: str) -> None:
        """Raises LogUnavailableError where what lies before `end` does not come, and no position has moved for long."""
        if position != self._position or position >= end:
            self._position, self._given_up = position, time.monotonic() + self._patience_s
        elif time.monotonic() >= self._given_up:
            raise LogUnavailableError(f"Kafka at {servers} hands out nothing from offset {position} on: see to its log")


def within(records: list[Record], max_bytes: int) -> list[Record]:
    """The first records that fit; one at least, so that a large record cannot stop its reader for ever."""
    size = 0
    for taken, record in enumerate(records):
        size += entry_bytes(record.key, record.value, record.headers)
        if taken and size > max_bytes:
            return records[:taken]
    return records
