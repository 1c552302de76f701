"""An OpenSearch User Behavior Insights event as an InteractionEvent.

After https://o19s.github.io/ubi/schema/1.3.0/event.schema.json (versions 1.0 to 1.3 differ in nothing that is read
here). What UBI has no place for may stand in `event_attributes`: event_id, tenant_id, user_query, dwell_ms,
previous_query_id, verdict, suggestion_token, search_token, origin, and in its `object` the title. All else is left
out: nothing would be learned from it.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from attune.events.v1 import events_pb2 as pb
from attune.services.runtime.records.refusal import InvalidRecordError, Reason

KINDS: Mapping[str, pb.EventType.ValueType] = {
    "search": pb.EVENT_TYPE_QUERY,
    "query": pb.EVENT_TYPE_QUERY,
    "impression": pb.EVENT_TYPE_IMPRESSION,
    "click": pb.EVENT_TYPE_CLICK,
    "click_through": pb.EVENT_TYPE_CLICK,
    "view": pb.EVENT_TYPE_VIEW,
    "watch": pb.EVENT_TYPE_VIEW,
    "dwell": pb.EVENT_TYPE_DWELL,
    "reformulation": pb.EVENT_TYPE_REFORMULATION,
    "suggestion_shown": pb.EVENT_TYPE_SUGGESTION_SHOWN,
    "suggestion_accepted": pb.EVENT_TYPE_SUGGESTION_ACCEPTED,
    "feedback": pb.EVENT_TYPE_FEEDBACK,
    "add_to_cart": pb.EVENT_TYPE_FEEDBACK,
    "purchase": pb.EVENT_TYPE_FEEDBACK,
    "statement": pb.EVENT_TYPE_STATEMENT,
}
_BOUGHT = {"add_to_cart", "purchase"}  # who buys a thing has judged it: feedback with the verdict "relevant"
_WITH_WORDS = {
    pb.EVENT_TYPE_QUERY,
    pb.EVENT_TYPE_REFORMULATION,
    pb.EVENT_TYPE_SUGGESTION_ACCEPTED,
    pb.EVENT_TYPE_STATEMENT,
}
_ATTRIBUTES = ("suggestion_token", "search_token", "origin")
_MOST_POSITION = 2**32 - 1
_MOST_MILLISECONDS = 2**63 - 1


def event_of_ubi(fields: Mapping[str, Any], event_id: str) -> pb.InteractionEvent:
    """The event. `event_id` is the id that it came with; without any, its content makes one, the same each time.

    Raises:
        InvalidRecordError: a field is not of its type, or the action is none of KINDS.
    """
    extra = _object(fields, "event_attributes")
    thing = _object(extra, "object")
    action = _text(fields, "action_name")
    if action not in KINDS:
        known = ", ".join(KINDS)
        raise InvalidRecordError(Reason.UNKNOWN_SCHEMA, f"action_name: is none of {known}")
    kind = KINDS[action]
    event = pb.InteractionEvent(
        tenant_id=_text(extra, "tenant_id"),
        user_id=_text(fields, "user_id"),
        session_id=_text(fields, "session_id"),
        client_id=_text(fields, "client_id"),
        query_id=_text(fields, "query_id"),
        event_id=_text(extra, "event_id") or event_id or _digest(fields),
        type=kind,
        occurred_at=_occurred_at(fields.get("timestamp")),
        user_query=_user_query(fields, extra) if kind in _WITH_WORDS else "",
        object_id=_object_id(thing),
        position=_number(_object(extra, "position"), "ordinal", _MOST_POSITION),
        dwell_ms=_number(extra, "dwell_ms", _MOST_MILLISECONDS),
        previous_query_id=_text(extra, "previous_query_id"),
    )
    verdict = "relevant" if action in _BOUGHT else _text(extra, "verdict")
    found = {"title": _text(thing, "title"), "verdict": verdict} | {name: _text(extra, name) for name in _ATTRIBUTES}
    event.attributes.update({name: text for name, text in found.items() if text})
    return event


def _digest(fields: Mapping[str, Any]) -> str:
    """An id made of all that the event says: the same event sent again is the same."""
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return "ubi-" + blake2b(canonical.encode(), digest_size=16).hexdigest()


def _occurred_at(timestamp: Any) -> Timestamp | None:
    """ISO 8601 with a time zone, as the schema has it, or milliseconds since 1970, as its first version had it."""
    if timestamp is None:
        return None  # the rules of InteractionEvent say that it is missing
    made = Timestamp()
    try:
        if isinstance(timestamp, int) and not isinstance(timestamp, bool):
            made.FromMilliseconds(timestamp)
            return made
        moment = datetime.fromisoformat(timestamp)
        if moment.tzinfo is not None:
            made.FromDatetime(moment)
            return made
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRecordError(Reason.INVALID, "timestamp: is neither an ISO 8601 time nor milliseconds") from error
    raise InvalidRecordError(Reason.INVALID, "timestamp: has no time zone: end it with Z or an offset")


def _user_query(fields: Mapping[str, Any], extra: Mapping[str, Any]) -> str:
    return _text(extra, "user_query") or _text(fields, "message")


def _object_id(thing: Mapping[str, Any]) -> str:
    held = thing.get("object_id")
    return str(held) if isinstance(held, int) and not isinstance(held, bool) else _text(thing, "object_id")


def _text(fields: Mapping[str, Any], name: str) -> str:
    held = fields.get(name)
    if held is None:
        return ""
    if not isinstance(held, str):
        raise InvalidRecordError(Reason.INVALID, f"{name}: is not a string")
    return held


def _object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    held = fields.get(name)
    if held is None:
        return {}
    if not isinstance(held, dict):
        raise InvalidRecordError(Reason.INVALID, f"{name}: is not an object")
    return held


def _number(fields: Mapping[str, Any], name: str, most: int) -> int | None:
    held = fields.get(name)
    if held is None:
        return None
    if isinstance(held, bool) or not isinstance(held, int) or not 0 <= held <= most:
        raise InvalidRecordError(Reason.INVALID, f"{name}: is not a whole number from 0 to {most}")
    return held
