"""All that a store keeps of one user, in one piece: a user is read, changed and written as a whole.

So a user costs one row however many entities there are, and what a transaction does to a user is decided here, in
memory, for every engine alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from attune.knowledge_store import history
from attune.knowledge_store.history import History, Noted, Trace
from attune.knowledge_store.model import EntityState, Observation
from attune.knowledge_store.store_model import EntityCursor, Profile, Projected, Suppressed

REMEMBERED_EVENTS = 4096
"""Of how many events, the newest by arrival, a user's record knows copies. Consumers resume at an offset; this is for
what producers send again, which is soon or never.
"""


@dataclass(frozen=True, slots=True)
class Expired:
    """What was too old: entity states, readings, statements, and users of whom nothing is left but what they want
    suggested no more.
    """

    entities: int = 0
    users: int = 0
    readings: int = 0
    statements: int = 0

    def __add__(self, other: "Expired") -> "Expired":
        return Expired(
            self.entities + other.entities,
            self.users + other.users,
            self.readings + other.readings,
            self.statements + other.statements,
        )


class RecordView(Protocol):
    """A record to be looked at, not changed."""

    @property
    def states(self) -> Mapping[str, EntityState]:
        """By entity id, in no order."""
        ...

    @property
    def history(self) -> History:
        """What was read and said, as far as it may be used, the newest first."""
        ...


@dataclass(slots=True)
class UserRecord:
    """A user's numbers, entity states by id, digests of event ids in the order of arrival, unwanted suggestions, and
    what was read and said.
    """

    events: int = 0
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    newest_epoch: datetime | None = None
    """The latest epoch of the user's events and their copies: a log may hold an event twice, the copy logged later."""
    states: dict[str, EntityState] = field(default_factory=dict)
    digests: dict[bytes, None] = field(default_factory=dict)
    suppressed: Suppressed = field(default_factory=Suppressed)
    readings: dict[str, Trace] = field(default_factory=dict)
    """By the document's id."""
    statements: dict[str, Trace] = field(default_factory=dict)
    """By the statement."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be lost without it."""
        return not self.events and self.suppressed == Suppressed()

    def take(self, event: Projected) -> bool:
        """Counts the event; False for a known one, which only moves the newest epoch."""
        epoch, digest = event.epoch, event.digest
        self.newest_epoch = epoch if self.newest_epoch is None else max(self.newest_epoch, epoch)
        if digest in self.digests:
            return False
        self.digests[digest] = None
        if len(self.digests) > REMEMBERED_EVENTS:
            del self.digests[next(iter(self.digests))]
        at = event.occurred_at
        self.events += 1
        self.first_seen = at if self.first_seen is None else min(self.first_seen, at)
        self.last_seen = at if self.last_seen is None else max(self.last_seen, at)
        return True

    def observe(self, seen: Observation) -> None:
        """Folds the observation into its entity's state."""
        state = self.states.get(seen.entity_id)
        self.states[seen.entity_id] = EntityState.first(seen) if state is None else state.observed(seen)

    def note_reading(self, noted: Noted) -> None:
        """Keeps that the document was read, or rejected."""
        history.note_reading(self.readings, noted)

    def note_statement(self, noted: Noted) -> None:
        """Keeps the statement, or drops it."""
        history.note_statement(self.statements, noted)

    @property
    def history(self) -> History:
        """As in `RecordView`."""
        return History.of(self.readings, self.statements)

    def forget(self, entity_id: str) -> dict[str, int]:
        """Drops the entity, and what was read and said about it; how much that was, per place."""
        return {
            "entities": int(self.states.pop(entity_id, None) is not None),
            "readings": history.drop_about(self.readings, entity_id),
            "statements": history.drop_about(self.statements, entity_id),
        }

    def evict(self, capacity: int) -> None:
        """Keeps the `capacity` entities of the largest weights, liked or rejected; of equal ones the first by id."""
        if len(self.states) > capacity:
            by_evidence = sorted(self.states.values(), key=lambda state: (-abs(state.rank), state.entity_id))
            for state in by_evidence[capacity:]:
                del self.states[state.entity_id]

    def expirable(self, before: datetime) -> Expired:
        """What `expire` would drop."""
        old = sum(state.last_seen < before for state in self.states.values())
        is_gone = old == len(self.states) and self.last_seen is not None and self.last_seen < before
        readings, statements = (
            sum(each.at < before for each in held.values()) for held in (self.readings, self.statements)
        )
        return Expired(old, int(is_gone), readings, statements)

    def expire(self, before: datetime) -> Expired:
        """Drops what was last seen, read or said before then; of a user who has no other state and was last seen before
        then, all events.

        No epoch of theirs is after `last_seen`: a forgetting of later covers them without being told.
        """
        expired = self.expirable(before)
        self.states = {key: state for key, state in self.states.items() if state.last_seen >= before}
        self.readings = {key: each for key, each in self.readings.items() if each.at >= before}
        self.statements = {key: each for key, each in self.statements.items() if each.at >= before}
        if expired.users:
            self.events, self.first_seen, self.last_seen, self.newest_epoch = 0, None, None, None
            self.digests = {}
        return expired

    def ranked(self) -> list[EntityState]:
        """The entities, the largest weight first, ties by id."""
        return sorted(self.states.values(), key=lambda state: (-state.rank, state.entity_id))

    def page(self, after: EntityCursor | None, limit: int) -> list[EntityState]:
        """At most `limit` of `ranked`, those behind `after`."""
        return page_of(self.ranked(), after, limit)

    def profile(self, forgotten_at: datetime | None) -> Profile:
        """The user in numbers."""
        return Profile(self.events, len(self.states), self.first_seen, self.last_seen, forgotten_at)

    def suppress(self, more: Suppressed) -> None:
        """Adds to what is suggested no more; the end of the unused history never moves back."""
        held = self.suppressed
        ends = [end for end in (held.history_until, more.history_until) if end is not None]
        fingerprints = tuple(sorted({*held.fingerprints, *more.fingerprints}))
        self.suppressed = Suppressed(fingerprints, max(ends, default=None))

    def counts(self) -> dict[str, int]:
        """How much there is, per place, as `Store.forget_user` tells it."""
        suppressed = self.suppressed
        return {
            "entities": len(self.states),
            "events": self.events,
            "profiles": min(self.events, 1),
            "readings": len(self.readings),
            "statements": len(self.statements),
            "suppressions": len(suppressed.fingerprints) + (suppressed.history_until is not None),
        }


def page_of(ranked: Sequence[EntityState], after: EntityCursor | None, limit: int) -> list[EntityState]:
    """At most `limit` of states in the order of `UserRecord.ranked`, those behind `after`."""
    behind = None if after is None else (-after.rank, after.entity_id)
    return [state for state in ranked if behind is None or (-state.rank, state.entity_id) > behind][:limit]
