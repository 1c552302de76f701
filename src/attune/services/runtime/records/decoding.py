"""From a record to the event that it holds: a CloudEvent in binary mode, or a bare protobuf message.

What the headers say must be known, and what headers, key and value say together must agree. Nothing is guessed.
"""

import re
from functools import lru_cache

from google.protobuf.message import DecodeError

from attune.events.v1.events_pb2 import EventType, InteractionEvent
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.events import user_of_key
from attune.services.runtime.records.confluent import unframed, unframed_protobuf
from attune.services.runtime.records.headers import JSON, PROTOBUF, header, headers_of, media_type, require_version
from attune.services.runtime.records.json_text import Schema, event_of_json
from attune.services.runtime.records.refusal import InvalidRecordError, Reason

_MOST_FORMATS = 8
"""Remembered, as the records of a producer all say the same; headers may be long."""
_KINDS = frozenset(EventType.values())
_SCHEMAS = {schema.value: schema for schema in Schema}
_DATA_SCHEMAS = {
    Schema.INTERACTION: re.compile(r".*\battune(\.events\.v1\.InteractionEvent|/events/v1/events\.proto)"),
    Schema.UBI: re.compile(r".*/ubi/schema/1\.\d+\.\d+/event(\.request)?\.schema\.json"),
}


def decode(record: Record) -> InteractionEvent:
    """The event, with tenant, user and id completed from key and headers. Nothing is checked against the rules yet.

    Raises:
        InvalidRecordError: it holds none, or contradicts itself.
    """
    headers = headers_of(record)
    require_version(headers)
    schema = _schema(header(headers, "ce_type"), header(headers, "ce_dataschema"))
    event_id = header(headers, "ce_id", "strict")
    if _is_json(media_type(headers), schema):
        event = event_of_json(unframed(record.value), schema, event_id)
    else:
        event = _event_of_protobuf(unframed_protobuf(record.value))
    if event.type not in _KINDS:
        raise InvalidRecordError(Reason.UNKNOWN_SCHEMA, "type: is no kind of event that this version knows")
    _complete(event, "event_id", event_id, "ce_id")
    if record.key:
        _complete_from_key(event, record.key)
    return event


def _event_of_protobuf(value: bytes) -> InteractionEvent:
    try:
        return InteractionEvent.FromString(value)
    except DecodeError as error:
        raise InvalidRecordError(
            Reason.MALFORMED, "the value is not a protobuf InteractionEvent; JSON needs content-type application/json"
        ) from error


@lru_cache(maxsize=_MOST_FORMATS)
def _schema(kind: str, named: str) -> Schema | None:
    """What the headers ce_type and ce_dataschema say that the value is."""
    if kind and kind not in _SCHEMAS:
        raise InvalidRecordError(Reason.UNKNOWN_SCHEMA, f"ce_type: is neither {Schema.INTERACTION} nor {Schema.UBI}")
    schema = _SCHEMAS.get(kind)
    if named and not any(_DATA_SCHEMAS[each].fullmatch(named) for each in ([schema] if schema else Schema)):
        raise InvalidRecordError(
            Reason.UNKNOWN_SCHEMA,
            "ce_dataschema: names neither attune/events/v1/events.proto nor UBI 1.x, as ce_type does",
        )
    return schema


@lru_cache(maxsize=_MOST_FORMATS)
def _is_json(media: str, schema: Schema | None) -> bool:
    """Whether the value is JSON, or protobuf. Without a content type, only a UBI event is JSON."""
    if media in JSON or (not media and schema is Schema.UBI):
        return True
    if not media or (media in PROTOBUF and schema is not Schema.UBI):
        return False
    raise InvalidRecordError(
        Reason.UNKNOWN_SCHEMA,
        "content-type: is neither application/protobuf nor application/json (a UBI event is the latter alone); "
        "send CloudEvents in binary mode",
    )


def _complete_from_key(event: InteractionEvent, key: bytes) -> None:
    user = user_of_key(key)
    if user is None:
        raise InvalidRecordError(Reason.CONFLICT, "the key is not tenant/user")
    _complete(event, "tenant_id", user.tenant, "the key's tenant")
    _complete(event, "user_id", user.user, "the key's user")


def _complete(event: InteractionEvent, field: str, told: str, by: str) -> None:
    """Set a field to what key or headers tell, where it does not say otherwise itself."""
    held = getattr(event, field)
    if held and told and held != told:
        raise InvalidRecordError(Reason.CONFLICT, f"{field}: is not {by}")
    if told:
        setattr(event, field, told)
