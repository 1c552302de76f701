"""Interaction events that are valid at a glance.

protovalidate took a tenth of all the time of an event's way into the store; these few comparisons tell of most events
what it would. They refuse nothing: what they do not clear is protovalidate's to judge. Each is as narrow as the rule in
the .proto or narrower, which a test holds them to.
"""

import re
from collections.abc import Mapping

from attune.events.v1 import events_pb2 as pb
from attune.events.v1.events_pb2 import InteractionEvent

_WITH_QUERY = frozenset({pb.EVENT_TYPE_QUERY, pb.EVENT_TYPE_REFORMULATION, pb.EVENT_TYPE_SUGGESTION_ACCEPTED})
_WITH_OBJECT = frozenset({pb.EVENT_TYPE_IMPRESSION, pb.EVENT_TYPE_CLICK, pb.EVENT_TYPE_VIEW})
_VERDICTS = frozenset({"relevant", "irrelevant"})
_TENANT = re.compile(r"[A-Za-z0-9._-]{0,64}")
_USER = re.compile(r"[!-.0-~]{1,128}")  # printable ASCII but the slash
_MOST_ID = 128
_MOST_QUERY = 2048  # characters, of at most four bytes each
_MOST_PAIRS = 32
_MOST_NAME = 64
_MOST_VALUE = 1024
_MOST_DWELL_MS = 86_400_000
_LAST_SECOND = 253_402_300_799  # of the year 9999
_NANOS = 10**9


def is_plain(event: InteractionEvent) -> bool:
    """Whether the event breaks no rule of its .proto; False also where it is only unusual."""
    return (
        _has_what_its_type_needs(event)
        and _has_a_time(event)
        and _USER.fullmatch(event.user_id) is not None
        and _TENANT.fullmatch(event.tenant_id) is not None
        and 0 < len(event.event_id) <= _MOST_ID
        and len(event.user_query) <= _MOST_QUERY
        and all(len(each) <= _MOST_ID for each in _other_ids(event))
        and event.dwell_ms <= _MOST_DWELL_MS
        and _are_short(event.attributes)
        and not event.entity_ids
    )


def _has_what_its_type_needs(event: InteractionEvent) -> bool:
    kind = event.type
    if kind in _WITH_QUERY:
        return bool(event.user_query)
    if kind in _WITH_OBJECT:
        return bool(event.object_id)
    if kind == pb.EVENT_TYPE_DWELL:
        return bool(event.object_id) and event.HasField("dwell_ms")
    if kind == pb.EVENT_TYPE_FEEDBACK:
        return bool(event.object_id) and event.attributes.get("verdict") in _VERDICTS
    return kind == pb.EVENT_TYPE_SUGGESTION_SHOWN


def _has_a_time(event: InteractionEvent) -> bool:
    at = event.occurred_at
    return event.HasField("occurred_at") and 0 <= at.seconds <= _LAST_SECOND and 0 <= at.nanos < _NANOS


def _other_ids(event: InteractionEvent) -> tuple[str, ...]:
    return event.session_id, event.client_id, event.query_id, event.object_id, event.previous_query_id


def _are_short(attributes: Mapping[str, str]) -> bool:
    return not attributes or (
        len(attributes) <= _MOST_PAIRS
        and all(0 < len(name) <= _MOST_NAME and len(text) <= _MOST_VALUE for name, text in attributes.items())
    )
