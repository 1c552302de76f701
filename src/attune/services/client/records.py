"""Interaction events as records of Kafka's, for any client of Kafka: nothing of Kafka is imported here."""

from typing import NamedTuple

from attune.events.v1.events_pb2 import InteractionEvent
from attune.services.runtime.events import to_entry


class EventRecord(NamedTuple):
    """What a producer is given, beside the topic."""

    key: bytes
    """tenant/user: it keeps the events of a user in order."""
    value: bytes
    headers: list[tuple[str, bytes]]


def event_record(event: InteractionEvent) -> EventRecord:
    """The record of an event: a CloudEvent in binary mode with a protobuf value.

    Its tenant_id must be set, as no credential tells it here. The rules of the .proto are not checked: what breaks them
    becomes a dead letter.

    Raises:
        ValueError: tenant_id, user_id or event_id is missing.
    """
    if not event.tenant_id:
        raise ValueError("tenant_id is empty: name the tenant, as no credential does on the way through Kafka")
    if not event.user_id:
        raise ValueError("user_id is empty: name the user, who is half of the record's key")
    if not event.event_id:
        raise ValueError("event_id is empty: give one, or an event that is sent twice counts twice")
    entry = to_entry(event)
    return EventRecord(entry.key, entry.value, list(entry.headers))
