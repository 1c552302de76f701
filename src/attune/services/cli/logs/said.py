"""What a line of a log, or an event, says that a user did: asked something, or opened something that has a title."""

from dataclasses import dataclass
from datetime import UTC, datetime

from attune.events.v1.events_pb2 import EVENT_TYPE_CLICK, EVENT_TYPE_VIEW, InteractionEvent
from attune.knowledge_store.model import UserKey
from attune.services.runtime.events import user_of
from attune.services.suggestion.queries.asked import ASKING, Asked, asked_of_event

_OPENING = frozenset({EVENT_TYPE_CLICK, EVENT_TYPE_VIEW})
TELLING = ASKING | _OPENING
"""The types of events that say either."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A page that a user opened."""

    user: UserKey
    text: str
    """Its title."""
    at: datetime
    logged_at: datetime | None = None
    """When the log took it; None where that is not known."""


Said = Asked | Opened


def said_by(event: InteractionEvent, logged: datetime | None = None) -> Said | None:
    """What a valid event with a tenant says; None where it says nothing of the kind."""
    if event.type not in _OPENING:
        return asked_of_event(event, logged)
    title = event.attributes.get("title", "")
    return Opened(user_of(event), title, event.occurred_at.ToDatetime(UTC), logged) if title else None
