"""An event log in memory that behaves as Apache Kafka does at its worst, and as often as a schedule wants it."""

import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from attune.services.runtime.eventlog.errors import OffsetOutOfRangeError
from attune.services.runtime.eventlog.port import Entry, Position, Record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Broker:
    """Implements port.EventLog. `ahead` is how far its clock is ahead of that of the services.

    One that `erases` redacts in every topic, as the local log does; Kafka can only where topics are compacted, so
    that what was said in others stays to be read.
    """

    def __init__(self, partitions: int, *, ahead: timedelta, erases: bool, compacted: Sequence[str]) -> None:
        self._partitions = partitions
        self._ahead = ahead
        self._erases = erases
        self._compacted = compacted
        self._records: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        self._erased: set[tuple[str, int, int]] = set()

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        """See `EventLog.append`."""
        return [self._append(topic, each, (now + self._ahead - _EPOCH) // _MILLISECOND) for each in entries]

    def poll(
        self,
        topic: str,
        partition: int,
        offset: int,
        max_records: int,
        max_bytes: int,  # noqa: ARG002 - all is small here
        timeout_s: float,  # noqa: ARG002
    ) -> list[Record]:
        """See `EventLog.poll`; time is virtual, so it never waits."""
        end = self.end_offset(topic, partition)
        if offset > end:
            raise OffsetOutOfRangeError(topic, partition, offset, end)
        rest = self._records[topic, partition][offset:]
        return [each for each in rest if (topic, partition, each.offset) not in self._erased][:max_records]

    def end_offset(self, topic: str, partition: int) -> int:
        """See `EventLog.end_offset`."""
        return len(self._records[topic, partition])

    def partition_count(self, topic: str) -> int:  # noqa: ARG002 - all have as many
        """See `EventLog.partition_count`."""
        return self._partitions

    def redact(self, topic: str, key: bytes) -> int:
        """See `EventLog.redact`."""
        if not self._erases and topic not in self._compacted:
            return 0
        partition = zlib.crc32(key) % self._partitions
        found = {(topic, partition, each.offset) for each in self._records[topic, partition] if each.key == key}
        fresh = found - self._erased
        self._erased |= found
        for _, _, offset in fresh:
            record = self._records[topic, partition][offset]
            self._records[topic, partition][offset] = replace(record, value=b"", headers=())
        return len(fresh)

    def close(self) -> None:
        """See `EventLog.close`; it is closed by being forgotten."""

    def everything(self, topic: str) -> list[Record]:
        """All that can still be read of a topic, partition by partition."""
        return [each for number in range(self._partitions) for each in self.poll(topic, number, 0, 1 << 30, 0, 0)]

    def kept(self, topic: str) -> list[Record]:
        """All that was ever appended to a topic, though it be erased: key, offset and time are left of that."""
        return [each for number in range(self._partitions) for each in self._records[topic, number]]

    def _append(self, topic: str, entry: Entry, timestamp_ms: int) -> Position:
        partition = zlib.crc32(entry.key) % self._partitions
        offset = self.end_offset(topic, partition)
        record = Record(topic, partition, offset, timestamp_ms, entry.key, entry.value, entry.headers)
        self._records[topic, partition].append(record)
        return Position(topic, partition, offset)
