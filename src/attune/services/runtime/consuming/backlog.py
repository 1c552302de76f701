"""The partitions that are this worker's now, and what was read of them and is not applied yet."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_model import Claim
from attune.services.runtime.eventlog.port import Record

_log = structlog.get_logger("attune.consuming")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A batch is applied when it has so many records or bytes, or its first record has waited so long.

    Few large batches cost less, a short wait shows records sooner.
    """

    records: int = 2000
    bytes: int = 4 << 20
    wait_s: float = 0.1


@dataclass(slots=True)
class Backlog:
    """What was read of one partition since `start`, the offset that the state is to read next; the claim's `epoch`."""

    epoch: int
    start: int
    records: list[Record] = field(default_factory=list)
    bytes: int = 0
    since: float = 0.0
    """When the first of them came, by the worker's clock that never goes back."""
    set_aside: int = 0
    """Dead letters from before this offset are in their topic already."""
    forgotten: Mapping[UserKey, datetime] | None = None
    """Until when users of dead letters were forgotten, as it was before any of these could be in their topic."""

    @property
    def end(self) -> int:
        """The offset behind the last record."""
        return self.records[-1].offset + 1 if self.records else self.start

    def take(self, records: Sequence[Record], now: float) -> None:
        """Add what follows. What is there already is passed over: a group may hand out a stretch again."""
        new = [each for each in records if each.offset >= self.end]
        if new and not self.records:
            self.since = now
        self.records += new
        self.bytes += sum(len(each.value) + len(each.key) for each in new)

    def applied_to(self, offset: int) -> None:
        """The state has all before this offset."""
        self.start, self.records, self.bytes, self.forgotten = offset, [], 0, None


class Claims(Protocol):
    """A state that records are applied to, and that knows how far."""

    def claim(self, topic: str, partition: int) -> Claim:
        """Where to read a partition from, for who has it from here on."""
        ...


class Backlogs:
    """Those of the partitions that the group has given to this worker: see `Owner`."""

    def __init__(self, claims: Claims, topic: str, limits: BatchLimits, monotonic: Callable[[], float]) -> None:
        self._claims = claims
        self.topic = topic
        self._limits = limits
        self._monotonic = monotonic
        self._held: dict[int, Backlog] = {}

    def assigned(self, partitions: Collection[int]) -> Mapping[int, int]:
        """Claim them in the state, which may fence off whoever had them before."""
        claims = {each: self._claims.claim(self.topic, each) for each in partitions}  # if one fails, none is held
        self._held |= {each: Backlog(claim.epoch, claim.next_offset) for each, claim in claims.items()}
        offsets = {each: claim.next_offset for each, claim in claims.items()}
        _log.info("partitions assigned", topic=self.topic, offsets=offsets)
        return offsets

    def revoked(self, partitions: Collection[int]) -> None:
        """Drop what was not applied: who has them now reads it again."""
        for partition in partitions:
            self._held.pop(partition, None)
        _log.info("partitions revoked", topic=self.topic, partitions=sorted(partitions))

    def take(self, partition: int, records: Sequence[Record]) -> None:
        """Add what was read of a partition, if it is still held."""
        if partition in self._held:
            self._held[partition].take(records, self._monotonic())

    def held(self) -> Iterator[tuple[int, Backlog]]:
        """Of each partition; some may be revoked meanwhile."""
        yield from sorted(self._held.items())

    def is_due(self, backlog: Backlog) -> bool:
        """Whether it is to be applied now."""
        waited = bool(backlog.records) and self._monotonic() - backlog.since >= self._limits.wait_s
        return waited or self.is_full(backlog)

    def is_full(self, backlog: Backlog) -> bool:
        """Whether no more is to be read until it is applied."""
        return len(backlog.records) >= self._limits.records or backlog.bytes >= self._limits.bytes
