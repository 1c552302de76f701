"""Events that the log need not hold, because no store would take them: forgotten ones, and those without consent."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge_store.consent import NO_CHOICE, Consents
from attune.knowledge_store.model import UserKey
from attune.services.runtime.errors import FieldViolation
from attune.services.runtime.events import user_of


def from_before_forgetting(
    events: Sequence[InteractionEvent], forgotten: Mapping[UserKey, datetime], now: datetime
) -> dict[int, FieldViolation]:
    """The events that a tombstone covers, by their places, as the store would find when it read them."""
    refused = {}
    for place, event in enumerate(events):
        until = forgotten.get(user_of(event))
        if until is not None and min(now, _occurred_at(event)) <= until:
            reason = f"is from before {until.isoformat()}, when its user was forgotten: leave the event out"
            refused[place] = FieldViolation("occurred_at", reason)
    return refused


def without_consent(
    events: Sequence[InteractionEvent], consents: Mapping[UserKey, Consents], now: datetime, *, default: bool
) -> dict[int, FieldViolation]:
    """The events of users who do not allow learning now, or did not when the event happened, by their places."""
    refused = {}
    for place, event in enumerate(events):
        held = consents.get(user_of(event), NO_CHOICE)
        if not held.allowed_learning(now, default=default):
            reason = "does not allow learning: leave this user's events out until SetConsents grants it"
            refused[place] = FieldViolation("user_id", reason)
        elif not held.allowed_learning(_occurred_at(event), default=default):
            reason = "is of a time when its user did not allow learning: leave the event out"
            refused[place] = FieldViolation("occurred_at", reason)
    return refused


def _occurred_at(event: InteractionEvent) -> datetime:
    """In whole microseconds, as the store has it. Valid events are of 1970 to now, which a datetime can hold."""
    return event.occurred_at.ToDatetime(UTC)
