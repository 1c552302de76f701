"""Interaction events and documents as records of Kafka's, for any client of Kafka, which is not imported here."""

from typing import NamedTuple

from attune.events.v1.events_pb2 import InteractionEvent
from attune.search.v1.search_pb2 import Document
from attune.services.runtime.documents import deletion_entry, put_entry
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.events import to_entry


class EventRecord(NamedTuple):
    """What a producer is given, beside the topic."""

    key: bytes
    """tenant/user, or tenant/document id: it keeps the events of a user, or the versions of a document, in order."""
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
    return _record(to_entry(event))


def document_record(tenant: str, document: Document) -> EventRecord:
    """The record of attune.documents.v1 that adds a document, or replaces the one with its id.

    The rules of the .proto are not checked: what breaks them becomes a dead letter.

    Raises:
        ValueError: the tenant or document_id is missing.
    """
    _require_key(tenant, document.document_id)
    return _record(put_entry(tenant, document))


def deletion_record(tenant: str, document_id: str) -> EventRecord:
    """The record of attune.documents.v1 that removes a document. A record without a value does not.

    Raises:
        ValueError: the tenant or document_id is missing.
    """
    _require_key(tenant, document_id)
    return _record(deletion_entry(tenant, document_id))


def _require_key(tenant: str, document_id: str) -> None:
    if not tenant:
        raise ValueError("tenant is empty: name the tenant, as no credential does on the way through Kafka")
    if not document_id:
        raise ValueError("document_id is empty: name the document, which is half of the record's key")


def _record(entry: Entry) -> EventRecord:
    return EventRecord(entry.key, entry.value, list(entry.headers))
