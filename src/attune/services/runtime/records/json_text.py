"""Events in JSON: InteractionEvent as protobuf's JSON has it, or a UBI event."""

import json
from enum import StrEnum
from typing import Any, NoReturn

from google.protobuf.json_format import ParseDict, ParseError

from attune.events.v1.events_pb2 import EventType, InteractionEvent
from attune.services.runtime.records.refusal import InvalidRecordError, Reason
from attune.services.runtime.records.ubi import event_of_ubi

_PREFIX = "EVENT_TYPE_"
_KINDS = frozenset(EventType.keys())


class Schema(StrEnum):
    """What a value can be, by its `ce_type`."""

    INTERACTION = "attune.events.v1.InteractionEvent"
    UBI = "org.opensearch.ubi.event.v1"


def event_of_json(value: bytes, schema: Schema | None = None, event_id: str = "") -> InteractionEvent:
    """The event of a JSON text in UTF-8; without a schema, its fields tell which it has.

    `event_id` is for a UBI event that has none.

    Raises:
        InvalidRecordError: it is neither; its cause says more, with parts of the text.
    """
    try:
        fields = json_object(value)
        if (schema or _schema_of(fields)) is Schema.UBI:
            return event_of_ubi(fields, event_id)
        return ParseDict(_with_full_type(fields), InteractionEvent())
    except ParseError as error:
        raise InvalidRecordError(Reason.MALFORMED, f"the value is not {Schema.INTERACTION} in proto3 JSON") from error
    except (ValueError, RecursionError) as error:
        raise InvalidRecordError(Reason.MALFORMED, "the value is not a JSON object in UTF-8") from error


def json_object(value: bytes) -> dict[str, Any]:
    """The fields of a JSON object in UTF-8. Raises ValueError, RecursionError where it is none."""
    fields = json.loads(value.decode("utf-8-sig"), parse_constant=_refuse)
    if not isinstance(fields, dict):
        raise ValueError(f"it is a {type(fields).__name__}")  # noqa: TRY004 - as for all that is no JSON object
    return fields


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _schema_of(fields: dict[str, Any]) -> Schema:
    found = [schema for name, schema in (("type", Schema.INTERACTION), ("action_name", Schema.UBI)) if name in fields]
    if len(found) == 1:
        return found[0]
    raise InvalidRecordError(
        Reason.UNKNOWN_SCHEMA,
        "the value has to have either type, as InteractionEvent, or action_name, as a UBI event; say which in ce_type",
    )


def _with_full_type(fields: dict[str, Any]) -> dict[str, Any]:
    """With `type` as in the .proto: its short name, in any case, stands for it."""
    kind = fields.get("type")
    if not isinstance(kind, str) or not kind:
        return fields
    full = kind if kind.startswith(_PREFIX) else f"{_PREFIX}{kind.upper()}"
    if full not in _KINDS:
        raise InvalidRecordError(Reason.UNKNOWN_SCHEMA, "type: is no kind of event that this version knows")
    return fields | {"type": full}
