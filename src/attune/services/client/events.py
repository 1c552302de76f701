"""Interaction events, made conveniently."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from attune.events.v1.events_pb2 import EventType, InteractionEvent


def interaction(  # noqa: PLR0913 - one parameter a field
    user: str,
    kind: str,
    at: datetime,
    *,
    query: str = "",
    object_id: str = "",
    event_id: str = "",
    session_id: str = "",
    query_id: str = "",
    dwell_ms: int | None = None,
    position: int | None = None,
    attributes: Mapping[str, str] | None = None,
    entity_ids: Sequence[str] = (),
) -> InteractionEvent:
    """An event of `kind` ("query", "click", "dwell", ...). Without an `event_id` it gets a random one.

    Raises:
        ValueError: there is no such kind of event.
    """
    event = InteractionEvent(
        user_id=user,
        type=EventType.Value(f"EVENT_TYPE_{kind.upper()}"),
        user_query=query,
        object_id=object_id,
        event_id=event_id or uuid.uuid4().hex,
        session_id=session_id,
        query_id=query_id,
        dwell_ms=dwell_ms,
        position=position,
        attributes=dict(attributes or {}),
        entity_ids=entity_ids,
    )
    event.occurred_at.FromDatetime(at)
    return event
