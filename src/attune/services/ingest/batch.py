"""One batch of log records: which are events, and which are dead letters with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge_store.model import Interaction
from attune.services.runtime.eventlog.port import Entry, Record
from attune.services.runtime.events import InvalidRecordError, logged_at, parse_record, to_interaction, wrong_time
from attune.services.runtime.validation import Validation


@dataclass(slots=True)
class Batch:
    """The records of a poll, sorted out."""

    interactions: list[Interaction] = field(default_factory=list)
    dead_letters: list[Entry] = field(default_factory=list)
    dead_since: list[datetime] = field(default_factory=list)
    """When the log took the records of the dead letters, one by one."""


def sort_out(records: Sequence[Record], validation: Validation) -> Batch:
    """Parse and validate every record; what is no valid event becomes a dead letter with its reason and position."""
    batch = Batch()
    for record in records:
        try:
            event = parse_record(record)
            taken_at = logged_at(record)
            _require_valid(event, validation, taken_at)
            batch.interactions.append(to_interaction(event, taken_at))
        except (InvalidRecordError, ValueError) as error:
            batch.dead_letters.append(_dead_letter(record, str(error)))
            batch.dead_since.append(logged_at(record))
    return batch


def _require_valid(event: InteractionEvent, validation: Validation, taken_at: datetime) -> None:
    """The time is held against the log's clock and not this process's: a replay must sort out alike."""
    ahead = wrong_time(event, taken_at)
    violations = validation.violations(event) or ([ahead] if ahead else [])
    if violations:
        raise InvalidRecordError(f"{violations[0].field}: {violations[0].description}")
    if not event.tenant_id:
        raise InvalidRecordError("tenant_id: value is required in the log")


def _dead_letter(record: Record, reason: str) -> Entry:
    place = f"{record.topic}/{record.partition}/{record.offset}"
    headers = (*record.headers, ("attune_reason", reason.encode()), ("attune_position", place.encode()))
    return Entry(record.key, record.value, headers)
