"""The port: what attune asks of an event log. Apache Kafka has these semantics; the local log copies them.

A topic is split into partitions. Each partition is an ordered sequence of records, numbered by offset from 0, no number
used twice. Records with one key share a partition, so they keep their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """What a producer hands in: the log adds partition, offset and timestamp."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as the log keeps it; `timestamp_ms` is the log-append time, milliseconds since 1970 UTC."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """Where an appended entry lies."""

    topic: str
    partition: int
    offset: int


class LogWriter(Protocol):
    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        """Append the entries and return their positions, in the order given. They are durable when this returns.

        Raises InvalidTopicError, RecordTooLargeError, LogCorruptedError; ValueError for a `now` without time zone;
        OSError where the disk refuses. An entry that is too large is refused before any entry is written.
        """
        ...


class LogReader(Protocol):
    def poll(
        self, topic: str, partition: int, offset: int, max_records: int, max_bytes: int, timeout_s: float
    ) -> list[Record]:
        """Up to `max_records` records from `offset` on; waits up to `timeout_s` seconds while there are none.

        `max_bytes` bounds the sum of keys, values and headers, but the first record always comes, as in Kafka.
        Redacted records are left out, so the next offset to ask for is that of the last record plus one.
        Raises OffsetOutOfRangeError past the end, UnknownPartitionError, InvalidTopicError, LogCorruptedError.
        """
        ...

    def end_offset(self, topic: str, partition: int) -> int:
        """The offset that the next record of the partition will get; 0 for a topic nobody wrote yet."""
        ...

    def partition_count(self, topic: str) -> int:
        """How many partitions the topic has, or will have once somebody writes to it."""
        ...


class EventLog(LogWriter, LogReader, Protocol):
    def redact(self, topic: str, key: bytes) -> int:
        """Erase value and headers of every record with this key; return how many records this call erased.

        Offsets and keys stay. Safe to repeat: after a crash halfway, the next call finishes the work.
        """
        ...

    def close(self) -> None:
        """Wake every waiting poll (it returns what it has) and refuse further calls."""
        ...
