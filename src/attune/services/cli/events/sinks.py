"""Where events are sent: to the knowledge service, or straight to the event log. Each may be asked again."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1.knowledge_pb2 import RecordInteractionsResponse
from attune.services.cli.events.reading import EventLine
from attune.services.runtime.clock import Clock
from attune.services.runtime.eventlog.port import Entry, LogWriter, Record
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.validation import Validation

_REPORTED = 100
_WAITS_S = (0.5, 1.0, 2.0, 4.0)
_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
}


@dataclass(slots=True)
class Sent:
    """What became of the events so far."""

    accepted: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    """The first ones: line, event_id, field, reason."""
    rejected_count: int = 0
    log_end_offsets: dict[int, int] = field(default_factory=dict)
    """By partition: the log's end behind the last of the events."""
    last_line: int = 0
    """Up to here, everything was sent."""

    def reject(self, line: EventLine, name: str, reason: str) -> None:
        """Count a refusal; keep the first ones."""
        self.rejected_count += 1
        if len(self.rejected) < _REPORTED:
            named = {"line": line.number, "event_id": line.event.event_id, "field": name, "reason": reason}
            self.rejected.append(named)

    def reach(self, partition: int, end_offset: int) -> None:
        """The log has grown up to `end_offset`."""
        self.log_end_offsets[partition] = max(self.log_end_offsets.get(partition, 0), end_offset)


class Sink(Protocol):
    """Takes events, some at a time."""

    def send(self, lines: Sequence[EventLine], sent: Sent) -> None:
        """Have the events in the log when this returns, and count them."""
        ...


class ServiceSink:
    """RecordInteractions, a call for each batch, which is repeated where the service is away for some seconds."""

    def __init__(
        self,
        record: Callable[[Iterable[InteractionEvent]], RecordInteractionsResponse],
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._record = record
        self._wait = wait
        self._has_answered = False

    def send(self, lines: Sequence[EventLine], sent: Sent) -> None:
        """As `Sink.send`. Raises grpc.RpcError."""
        answer = self._answer([each.event for each in lines])
        sent.accepted += answer.accepted
        for refused in answer.rejected:
            sent.reject(lines[refused.index], refused.field, refused.reason)
        sent.rejected_count += answer.rejected_count - len(answer.rejected)  # those that the service counts only
        for partition, end_offset in answer.log_end_offsets.items():
            sent.reach(partition, end_offset)

    def _answer(self, events: Sequence[InteractionEvent]) -> RecordInteractionsResponse:
        # A service that has never answered may not be there at all: that is said at once.
        for wait_s in _WAITS_S if self._has_answered else ():
            try:
                return self._record(events)
            except grpc.RpcError as error:
                call: Any = error
                if call.code() not in _PASSING:
                    raise
                self._wait(wait_s)
        answer = self._record(events)
        self._has_answered = True
        return answer


class LogSink:
    """The event log itself. Each event is judged as the ingest worker will judge it."""

    def __init__(self, event_log: LogWriter, admission: Admission, tenant: str, clock: Clock) -> None:
        """`tenant` is that of the events that name none."""
        self._event_log = event_log
        self._admission = admission
        self._tenant = tenant
        self._clock = clock
        self._validation = Validation()

    def send(self, lines: Sequence[EventLine], sent: Sent) -> None:
        """As `Sink.send`. Raises what `LogWriter.append` raises."""
        now = self._clock()
        now_ms = int(now.timestamp() * 1000)
        entries = [entry for line in lines if (entry := self._entry(line, now_ms, sent)) is not None]
        if not entries:
            return
        for position in self._event_log.append(TOPIC, entries, now):
            sent.reach(position.partition, position.offset + 1)
        sent.accepted += len(entries)

    def _entry(self, line: EventLine, now_ms: int, sent: Sent) -> Entry | None:
        event = line.event
        event.tenant_id = event.tenant_id or self._tenant
        entry = to_entry(event)
        try:
            self._admission.event(Record(TOPIC, 0, 0, now_ms, entry.key, entry.value, entry.headers), self._validation)
        except InvalidRecordError as error:
            name, is_field, reason = str(error).partition(": ")
            sent.reject(line, name if is_field else "", reason if is_field else str(error))
            return None
        return entry
