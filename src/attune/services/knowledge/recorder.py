"""RecordInteractions' work: valid events to the log in durable batches, bad ones refused one by one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge_store.store import Store
from attune.services.knowledge.appending import Appender
from attune.services.runtime.clock import Clock
from attune.services.runtime.errors import FieldViolation
from attune.services.runtime.eventlog.port import EventLog, Position
from attune.services.runtime.events import wrong_time
from attune.services.runtime.validation import Validation

_BATCH = 256
REPORTED = 100


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that was refused."""

    index: int
    event_id: str
    violation: FieldViolation


@dataclass(slots=True)
class Report:
    """What became of a stream of events."""

    accepted: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    rejected_count: int = 0
    end_offsets: dict[int, int] = field(default_factory=dict)
    """By partition: the log's end after the last of the events."""

    @property
    def end_offset(self) -> int:
        """The largest of them."""
        return max(self.end_offsets.values(), default=0)

    def accept(self, positions: Sequence[Position]) -> None:
        """Count events that are in the log."""
        self.accepted += len(positions)
        for each in positions:
            self.end_offsets[each.partition] = max(self.end_offsets.get(each.partition, 0), each.offset + 1)

    def reject(self, rejected: Rejected) -> None:
        """Count a refusal; keep the first ones."""
        self.rejected_count += 1
        if len(self.rejected) < REPORTED:
            self.rejected.append(rejected)


class Recorder:
    """Appends events to the log on behalf of a tenant."""

    def __init__(self, event_log: EventLog, store: Store, clock: Clock) -> None:
        self._appender = Appender(event_log, store, clock)
        self._clock = clock
        self._validation = Validation()

    async def record(self, events: AsyncIterator[InteractionEvent], tenant: str) -> Report:
        """Everything that is valid is durable in the log when this returns."""
        report = Report()
        batch: list[tuple[int, InteractionEvent]] = []
        index = 0
        async for event in events:
            violation = self._violation(event, tenant)
            if violation:
                report.reject(Rejected(index, event.event_id, violation))
            else:
                event.tenant_id = tenant
                batch.append((index, event))
            index += 1
            if len(batch) == _BATCH:
                await self._append(batch, report)
                batch = []
        await self._append(batch, report)
        return report

    async def _append(self, batch: Sequence[tuple[int, InteractionEvent]], report: Report) -> None:
        if not batch:
            return
        appended = await asyncio.to_thread(self._appender.append, [event for _, event in batch])
        report.accept(appended.positions)
        for place, violation in sorted(appended.refused.items()):
            index, event = batch[place]
            report.reject(Rejected(index, event.event_id, violation))

    def _violation(self, event: InteractionEvent, tenant: str) -> FieldViolation | None:
        found = self._validation.violations(event)
        if found:
            return found[0]
        if event.tenant_id and event.tenant_id != tenant:
            return FieldViolation("tenant_id", "is not the tenant of the credential; leave it empty")
        return wrong_time(event, self._clock())
