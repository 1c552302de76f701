"""The port of who reads a topic to its end and goes on: a member of a group that shares the topic's partitions.

With Apache Kafka, members come and go, and partitions move among them. On the local log there is one member, which has
them all. Where to read from is not the log's to remember: who is given a partition says so (see `Owner`).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from attune.services.runtime.eventlog.port import EventLog, LogReader, Record

MOST_RECORDS = 500
MOST_BYTES = 4 << 20


class Owner(Protocol):
    """Is told which partitions are its own. Called within `Consumer.poll`, by the thread that polls."""

    def assigned(self, partitions: Collection[int]) -> Mapping[int, int]:
        """The offsets to read these partitions from, which are its own from here on.

        If it raises, none of them is read, and the next `poll` asks again.
        """
        ...

    def revoked(self, partitions: Collection[int]) -> None:
        """They are others' from here on; they may be so for long, if this process was asleep."""
        ...


class Consumer(Protocol):
    """Reads one topic. One thread at a time may call it; its methods raise what `EventLog` does."""

    def poll(self, timeout_s: float) -> Mapping[int, list[Record]]:
        """What follows in each of the owned partitions that are not paused, in order; waits a little while there is
        nothing.

        At most 500 records and 4 MiB at once, but the first record of a partition always comes. Must be called at least
        every few minutes, or the group takes the partitions away.
        """
        ...

    def position(self, partition: int) -> int:
        """The offset from which an owned partition is read next: what lies before it was handed out, or is erased."""
        ...

    def end(self, partition: int) -> int:
        """The offset that the next record of an owned partition will get, as far as is known here."""
        ...

    def pause(self, partitions: Collection[int]) -> None:
        """Hand out nothing of these, and fetch nothing, until they are resumed."""
        ...

    def resume(self, partitions: Collection[int]) -> None: ...

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Tell the log how far the partitions were applied, for who watches its lag there. Never read again; what goes
        wrong is left to the next call.
        """
        ...

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """A log, and how to become a reader of one of its topics."""

    log: EventLog
    consumer: Callable[[str, Owner], Consumer]

    @classmethod
    def local(cls, log: EventLog) -> "Source":
        """Of a local log, which one process reads."""
        return cls(log, lambda topic, owner: LocalConsumer(log, topic, owner))


class LocalConsumer:
    """The one reader of a topic in a local log."""

    def __init__(self, log: LogReader, topic: str, owner: Owner) -> None:
        self._log = log
        self._topic = topic
        self._owner = owner
        self._positions: dict[int, int] = {}
        self._paused: set[int] = set()

    def poll(self, timeout_s: float) -> dict[int, list[Record]]:
        """See `Consumer.poll`."""
        if not self._positions:
            self._positions = dict(self._owner.assigned(range(self._log.partition_count(self._topic))))
        ready = [each for each in self._positions if each not in self._paused]
        found = {each: self._next(each, timeout_s / len(ready)) for each in ready}
        return {partition: records for partition, records in found.items() if records}

    def position(self, partition: int) -> int:
        """See `Consumer.position`."""
        return self._positions[partition]

    def end(self, partition: int) -> int:
        """See `Consumer.end`."""
        return self._log.end_offset(self._topic, partition)

    def pause(self, partitions: Collection[int]) -> None:
        """See `Consumer.pause`."""
        self._paused |= set(partitions)

    def resume(self, partitions: Collection[int]) -> None:
        """See `Consumer.resume`."""
        self._paused -= set(partitions)

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Nobody watches the lag here."""

    def close(self) -> None:
        """There is nobody to take over."""

    def _next(self, partition: int, timeout_s: float) -> list[Record]:
        offset, end = self._positions[partition], self.end(partition)
        records = self._log.poll(self._topic, partition, offset, MOST_RECORDS, MOST_BYTES, timeout_s)
        # Without records, all that lay there before the poll was redacted.
        self._positions[partition] = records[-1].offset + 1 if records else max(offset, end)
        return records
