"""Interaction events in three shapes: protobuf message, log record (CloudEvents, binary mode), Interaction."""

from datetime import UTC, datetime

from google.protobuf.message import DecodeError

from attune.events.v1.events_pb2 import EventType, InteractionEvent
from attune.knowledge_store.model import EventKind, Interaction, UserKey
from attune.services.runtime.eventlog.port import Entry, Record

TOPIC = "attune.interactions.v1"
DEAD_LETTER_TOPIC = "attune.interactions.v1.dlq"
_CE_TYPE = b"attune.events.v1.InteractionEvent"


class InvalidRecordError(Exception):
    """A record of the log that is no interaction event; the message says why, without any of its content."""


def log_key(user: UserKey) -> bytes:
    """The key of a user's records: it keeps them in order, and finds them when the user is to be forgotten."""
    return f"{user.tenant}/{user.user}".encode()


def to_entry(event: InteractionEvent) -> Entry:
    """An event as the log takes it. Its tenant_id must be set."""
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", event.event_id.encode()),
        ("ce_type", _CE_TYPE),
        ("ce_source", f"attune/{event.client_id}".encode()),
        ("content-type", b"application/protobuf"),
    )
    return Entry(log_key(UserKey(event.tenant_id, event.user_id)), event.SerializeToString(), headers)


def parse_record(record: Record) -> InteractionEvent:
    """The event of a record.

    Raises:
        InvalidRecordError: its value is not an InteractionEvent.
    """
    try:
        return InteractionEvent.FromString(record.value)
    except DecodeError as error:
        raise InvalidRecordError("the value is not a protobuf InteractionEvent") from error


def to_interaction(event: InteractionEvent, logged_at: datetime) -> Interaction:
    """A valid event as the knowledge store takes it."""
    return Interaction(
        event_id=event.event_id,
        user=UserKey(event.tenant_id, event.user_id),
        kind=EventKind(EventType.Name(event.type).removeprefix("EVENT_TYPE_").lower()),
        occurred_at=event.occurred_at.ToDatetime(UTC),
        logged_at=logged_at,
        session_id=event.session_id,
        query_id=event.query_id,
        user_query=event.user_query,
        object_id=event.object_id,
        position=event.position if event.HasField("position") else None,
        dwell_ms=event.dwell_ms if event.HasField("dwell_ms") else None,
        previous_query_id=event.previous_query_id,
        attributes=dict(event.attributes),
    )


def logged_at(record: Record) -> datetime:
    """When the log took a record."""
    return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
