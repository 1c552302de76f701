"""Interaction events in three shapes: protobuf message, entry of the log (CloudEvents, binary mode), Interaction.

The way back from the log, where others write too, is longer: see records/.
"""

from datetime import UTC, datetime, timedelta

from attune.events.v1.events_pb2 import EVENT_TYPE_UNSPECIFIED, EventType, InteractionEvent
from attune.knowledge_store.model import EventKind, Interaction, UserKey
from attune.services.runtime.errors import FieldViolation
from attune.services.runtime.eventlog.port import Entry, Record

TOPIC = "attune.interactions.v1"
DEAD_LETTER_TOPIC = "attune.interactions.v1.dlq"
_CE_TYPE = b"attune.events.v1.InteractionEvent"
_MOST_AHEAD = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS = 10**9
_NANOS_A_MICROSECOND = 1000
_LAST_MS = 253_402_300_799_000  # the last second of the year 9999

_KINDS = {
    number: EventKind(name.removeprefix("EVENT_TYPE_").lower())
    for name, number in EventType.items()
    if number != EVENT_TYPE_UNSPECIFIED
}


def log_key(user: UserKey) -> bytes:
    """The key of a user's records: it keeps them in order, and finds them when the user is to be forgotten."""
    return f"{user.tenant}/{user.user}".encode()


def user_of_key(key: bytes) -> UserKey | None:
    """The user whose records have this key; None where it is no key of log_key's."""
    try:
        tenant, _, user = key.decode().partition("/")
        return UserKey(tenant, user)
    except ValueError:
        return None


def user_of(event: InteractionEvent) -> UserKey:
    """Whose event it is. Its tenant_id must be set."""
    return UserKey(event.tenant_id, event.user_id)


def wrong_time(event: InteractionEvent, logged_at: datetime) -> FieldViolation | None:
    """What is wrong with an event's occurred_at, by the clock that the log took it with."""
    if not 0 <= event.occurred_at.nanos < _NANOS:
        return FieldViolation("occurred_at", "has nanos outside 0 to 999,999,999; set the reporter's clock")
    # Compared in seconds: a datetime cannot hold every Timestamp.
    if event.occurred_at.seconds <= (logged_at + _MOST_AHEAD).timestamp():
        return None
    return FieldViolation(
        "occurred_at", "is more than five minutes ahead of the server's clock; set the reporter's clock"
    )


def to_entry(event: InteractionEvent, more: tuple[tuple[str, bytes], ...] = ()) -> Entry:
    """An event as the log takes it, with `more` headers. Its tenant_id must be set."""
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", event.event_id.encode()),
        ("ce_type", _CE_TYPE),
        ("ce_source", f"attune/{event.client_id}".encode()),
        ("content-type", b"application/protobuf"),
        *more,
    )
    return Entry(log_key(user_of(event)), event.SerializeToString(), headers)


def to_interaction(event: InteractionEvent, logged_at: datetime) -> Interaction:
    """A valid event as the knowledge store takes it."""
    at = event.occurred_at
    return Interaction(
        event_id=event.event_id,
        user=user_of(event),
        kind=_KINDS[event.type],
        occurred_at=_EPOCH + timedelta(seconds=at.seconds, microseconds=at.nanos // _NANOS_A_MICROSECOND),
        logged_at=logged_at,
        session_id=event.session_id,
        query_id=event.query_id,
        user_query=event.user_query,
        object_id=event.object_id,
        position=event.position if event.HasField("position") else None,
        dwell_ms=event.dwell_ms if event.HasField("dwell_ms") else None,
        previous_query_id=event.previous_query_id,
        attributes=dict(event.attributes),
        entity_ids=tuple(event.entity_ids),
    )


def has_a_time(record: Record) -> bool:
    """Whether the time that a log gave a record is one that a datetime can hold."""
    return 0 <= record.timestamp_ms <= _LAST_MS


def logged_at(record: Record) -> datetime:
    """When the log took a record; the nearest time there is where it has none."""
    return datetime.fromtimestamp(min(max(record.timestamp_ms, 0), _LAST_MS) / 1000, UTC)
