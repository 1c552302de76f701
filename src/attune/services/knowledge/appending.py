"""Events on their way into the log, past users who do not consent, are forgotten, or are being forgotten now."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store import Store
from attune.services.knowledge.refusals import from_before_forgetting, without_consent
from attune.services.runtime.clock import Clock
from attune.services.runtime.errors import FieldViolation
from attune.services.runtime.eventlog.port import EventLog, Position
from attune.services.runtime.events import TOPIC, log_key, to_entry, user_of
from attune.services.runtime.tracing import record_headers

_MEANWHILE = "arrived while its user was being forgotten: send it again if it is newer"


@dataclass(slots=True)
class Appended:
    """What became of a batch."""

    positions: list[Position] = field(default_factory=list)
    """Where the events lie that are in the log to stay."""
    refused: dict[int, FieldViolation] = field(default_factory=dict)
    """Why an event is not, by its place in the batch."""


class Appender:
    """Appends batches. Blocking; any thread may call."""

    def __init__(self, event_log: EventLog, store: Store, clock: Clock) -> None:
        self._event_log = event_log
        self._store = store
        self._clock = clock

    def append(self, events: Sequence[InteractionEvent]) -> Appended:
        """Append valid events, with their tenant_id, but those from before their user was forgotten, and of a time when
        learning was not allowed.

        A user may be forgotten between the look at the tombstones and the append, and the events then land behind the
        redaction. So the tombstones are looked at again afterwards. Forgetting sets the tombstone first and redacts
        then: one that is not seen even now was set after the append, and its redaction is still to come; for one that
        is new, the user's records are redacted here. That needs no lock, and holds for any number of processes that
        share the store. Consents are looked at once: what is logged after a withdrawal, the store leaves out.
        """
        users = {user_of(event) for event in events}
        before, now = self._store.forgotten(users), _whole_milliseconds(self._clock())
        consents, default = self._store.consents(users), self._store.consent_default
        result = Appended(
            refused=without_consent(events, consents, now, default=default)
            | from_before_forgetting(events, before, now)
        )
        taken = [(place, event) for place, event in enumerate(events) if place not in result.refused]
        if not taken:
            return result
        headers = record_headers()
        positions = self._event_log.append(TOPIC, [to_entry(event, headers) for _, event in taken], now)
        gone = self._redact_forgotten_since(users, before)
        for (place, event), position in zip(taken, positions, strict=True):
            if user_of(event) in gone:
                result.refused[place] = FieldViolation("occurred_at", _MEANWHILE)
            else:
                result.positions.append(position)
        return result

    def _redact_forgotten_since(
        self, users: Collection[UserKey], before: dict[UserKey, datetime]
    ) -> Collection[UserKey]:
        gone = {user for user, until in self._store.forgotten(users).items() if before.get(user) != until}
        for user in gone:
            self._event_log.redact(TOPIC, log_key(user))
        return gone


def _whole_milliseconds(now: datetime) -> datetime:
    """As the log keeps it, so that what is accepted here is not from before a tombstone when the log is read."""
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
