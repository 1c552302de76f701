"""Who asked what, and when: what counting reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from attune.events.v1.events_pb2 import (
    EVENT_TYPE_QUERY,
    EVENT_TYPE_REFORMULATION,
    EVENT_TYPE_SUGGESTION_ACCEPTED,
    InteractionEvent,
)
from attune.knowledge_store.model import UserKey
from attune.services.runtime.events import user_of
from attune.services.suggestion.logged import EventsInLog

ASKING = frozenset({EVENT_TYPE_QUERY, EVENT_TYPE_REFORMULATION, EVENT_TYPE_SUGGESTION_ACCEPTED})
"""A suggestion counts when somebody takes it, never because it was shown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of one user."""

    user: UserKey
    text: str
    at: datetime
    session_id: str = ""
    logged_at: datetime | None = None
    """When the log took it; None where that is not known."""


def asked_of_event(event: InteractionEvent, logged: datetime | None = None) -> Asked | None:
    """What a valid event says that somebody asked; None where it says nothing of the kind."""
    if event.type not in ASKING:
        return None
    return Asked(user_of(event), event.user_query, event.occurred_at.ToDatetime(UTC), event.session_id, logged)


class AskedInLog:
    """What was asked, by events of the log that are of the types ASKING. May be read any number of times."""

    def __init__(self, events: EventsInLog) -> None:
        self._events = events

    def __iter__(self) -> Iterator[Asked]:
        for each in self._events:
            if (asked := asked_of_event(each.event, each.logged_at)) is not None:
                yield asked

    @property
    def skipped(self) -> int:
        """Records that are no valid event, of the reading that was begun last."""
        return self._events.skipped
