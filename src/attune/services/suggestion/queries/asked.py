"""Who asked what, and when: what counting reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from attune.events.v1.events_pb2 import (
    EVENT_TYPE_QUERY,
    EVENT_TYPE_REFORMULATION,
    EVENT_TYPE_SUGGESTION_ACCEPTED,
    InteractionEvent,
)
from attune.knowledge_store.consent import NO_CHOICE, Consents, Purpose
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store import Store
from attune.services.runtime.eventlog.port import LogReader, Record
from attune.services.runtime.events import TOPIC, logged_at, user_of
from attune.services.runtime.origins import is_simulated
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.decoding import decode
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.state_topics import every_record
from attune.services.runtime.validation import Validation

ASKING = frozenset({EVENT_TYPE_QUERY, EVENT_TYPE_REFORMULATION, EVENT_TYPE_SUGGESTION_ACCEPTED})
"""A suggestion counts when somebody takes it, never because it was shown."""
_AT_ONCE = 2000


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
    """What was asked, by the event log. May be read any number of times; what is no event is passed over."""

    def __init__(self, event_log: LogReader, admission: Admission) -> None:
        self._event_log = event_log
        self._admission = admission
        self._validation = Validation()
        self.skipped = 0
        """Records that are no valid event, of the reading that was begun last."""

    def __iter__(self) -> Iterator[Asked]:
        self.skipped = 0
        for record in every_record(self._event_log, TOPIC):
            try:
                found = self._asked(record)
            except InvalidRecordError:
                self.skipped += 1
            else:
                if found is not None:
                    yield found

    def _asked(self, record: Record) -> Asked | None:
        """Only queries are held against all rules: most events of a log are none."""
        event = decode(record)
        if event.type not in ASKING or is_simulated(event):
            return None
        return asked_of_event(self._admission.event(record, self._validation), logged_at(record))


class Allowed:
    """Those of what was asked whose users may be counted: not forgotten since, and consenting to statistics.

    Nor does what its user did not allow to be learned from when it happened.
    """

    def __init__(self, asked: Iterable[Asked], store: Store) -> None:
        self._asked = asked
        self._store = store
        self.left_out = 0
        """How many were not allowed, of the reading that was begun last."""

    def __iter__(self) -> Iterator[Asked]:
        self.left_out = 0
        rest = iter(self._asked)
        while batch := list(islice(rest, _AT_ONCE)):
            allowed = self._allowed(batch)
            self.left_out += len(batch) - len(allowed)
            yield from allowed

    def _allowed(self, batch: Sequence[Asked]) -> list[Asked]:
        users = {each.user for each in batch}
        forgotten, consents = self._store.forgotten(users), self._store.consents(users)
        return [each for each in batch if not _is_covered(each, forgotten) and self._consents(each, consents)]

    def _consents(self, asked: Asked, consents: Mapping[UserKey, Consents]) -> bool:
        default, held = self._store.consent_default, consents.get(asked.user, NO_CHOICE)
        if not held.allow(Purpose.STATISTICS, default=default):
            return False
        return all(held.allowed_learning(moment, default=default) for moment in _moments(asked))


def _is_covered(asked: Asked, forgotten: Mapping[UserKey, datetime]) -> bool:
    until = forgotten.get(asked.user)
    return until is not None and min(_moments(asked)) <= until


def _moments(asked: Asked) -> tuple[datetime, ...]:
    return (asked.at,) if asked.logged_at is None else (min(asked.at, asked.logged_at), asked.logged_at)
