"""The port: what attune asks of an event log. Apache Kafka has these semantics; the local log copies them.

A topic is split into partitions. Each partition is an ordered sequence of records, numbered by offset from 0, no number
used twice. Records with one key share a partition, so they keep their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


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


class Erasure(Enum):
    """What redacting a key does in a topic. An engine says it of each of its topics."""

    AT_ONCE = "at once"
    """The records are gone when the call returns."""
    BY_COMPACTION = "by compaction"
    """They are marked when the call returns, and gone when the engine has compacted the topic. Until then, who reads
    from before the mark still sees them."""
    BY_RETENTION = "by retention"
    """Nothing: a record goes when it is as old as the topic keeps any."""


class LogWriter(Protocol):
    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        """Append the entries and return their positions, in the order given. They are durable when this returns.

        `now` dates them where the engine has no clock of its own; Kafka's brokers have one.

        Raises InvalidTopicError, RecordTooLargeError, LogCorruptedError; ValueError for a `now` without time zone;
        OSError where the disk refuses; LogUnavailableError where the engine does not answer, and then some of the
        entries may have been written. An entry that is too large is refused before any entry is written.
        """
        ...


class LogReader(Protocol):
    def poll(
        self, topic: str, partition: int, offset: int, max_records: int, max_bytes: int, timeout_s: float
    ) -> list[Record]:
        """Up to `max_records` records from `offset` on; waits up to `timeout_s` seconds while there are none.

        `max_bytes` bounds the sum of keys, values and headers, but the first record always comes, as in Kafka.
        Redacted records are left out, so the next offset to ask for is that of the last record plus one. Nothing is
        returned only where there is nothing up to the end, as it is at the call; offsets may be missing anywhere.
        Raises OffsetOutOfRangeError past the end, UnknownPartitionError, InvalidTopicError, LogCorruptedError,
        LogUnavailableError.
        """
        ...

    def end_offset(self, topic: str, partition: int) -> int:
        """The offset that the next record of the partition will get; 0 for a topic nobody wrote yet."""
        ...

    def partition_count(self, topic: str) -> int:
        """How many partitions the topic has, or will have once somebody writes to it."""
        ...


class EventLog(LogWriter, LogReader, Protocol):
    def erasure(self, topic: str) -> Erasure:
        """What `redact` does in this topic."""
        ...

    def redact(self, topic: str, key: bytes) -> int:
        """Erase value and headers of every record with this key, as `erasure` says; return how many this call erased.

        Offsets and keys stay. Safe to repeat: after a crash halfway, the next call finishes the work.
        """
        ...

    def close(self) -> None:
        """Wake every waiting poll (it returns what it has) and refuse further calls."""
        ...


def epoch_ms(now: datetime) -> int:
    """Milliseconds since 1970 UTC, rounded down. Raises ValueError for a datetime without time zone."""
    if now.tzinfo is None:
        raise ValueError(f"now is {now.isoformat()} without a time zone; pass an aware datetime, such as UTC")
    return (now - _EPOCH) // _MILLISECOND
