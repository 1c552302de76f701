"""RecordInteractions' work: valid events to the log in durable batches, bad ones refused one by one."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.runtime.clock import Clock
from attune.services.runtime.errors import FieldViolation
from attune.services.runtime.eventlog.port import EventLog
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.runtime.validation import Validation

_BATCH = 256
_MOST_AHEAD = timedelta(minutes=5)
_NANOS = 10**9
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
    end_offset: int = 0

    def reject(self, rejected: Rejected) -> None:
        """Count a refusal; keep the first ones."""
        self.rejected_count += 1
        if len(self.rejected) < REPORTED:
            self.rejected.append(rejected)


class Recorder:
    """Appends events to the log on behalf of a tenant."""

    def __init__(self, event_log: EventLog, clock: Clock) -> None:
        self._event_log = event_log
        self._clock = clock
        self._validation = Validation()

    async def record(self, events: AsyncIterator[InteractionEvent], tenant: str) -> Report:
        """Everything that is valid is durable in the log when this returns."""
        report = Report()
        batch: list[InteractionEvent] = []
        index = 0
        async for event in events:
            violation = self._violation(event, tenant)
            if violation:
                report.reject(Rejected(index, event.event_id, violation))
            else:
                event.tenant_id = tenant
                batch.append(event)
            index += 1
            if len(batch) == _BATCH:
                await self._append(batch, report)
                batch = []
        await self._append(batch, report)
        return report

    async def _append(self, batch: list[InteractionEvent], report: Report) -> None:
        if not batch:
            return
        entries = [to_entry(event) for event in batch]
        positions = await asyncio.to_thread(self._event_log.append, TOPIC, entries, self._clock())
        report.accepted += len(batch)
        report.end_offset = max(report.end_offset, *(position.offset + 1 for position in positions))

    def _violation(self, event: InteractionEvent, tenant: str) -> FieldViolation | None:
        found = self._validation.violations(event)
        if found:
            return found[0]
        if event.tenant_id and event.tenant_id != tenant:
            return FieldViolation("tenant_id", "is not the tenant of the credential; leave it empty")
        return _wrong_time(event, self._clock())


def _wrong_time(event: InteractionEvent, now: datetime) -> FieldViolation | None:
    if not 0 <= event.occurred_at.nanos < _NANOS:
        return FieldViolation("occurred_at", "has nanos outside 0 to 999,999,999; set the reporter's clock")
    # Compared in seconds: a datetime cannot hold every Timestamp.
    if event.occurred_at.seconds <= (now + _MOST_AHEAD).timestamp():
        return None
    return FieldViolation(
        "occurred_at", "is more than five minutes ahead of the server's clock; set the reporter's clock"
    )
