"""A transaction over dictionaries: it works on copies of the users that it touches, and commits by placing them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from attune.knowledge_store.model import EntityState, LogPosition, UserKey
from attune.knowledge_store.store import EntityCursor, Profile, Projected, Suppressed
from attune.knowledge_store.transaction import Tombstones


@dataclass(slots=True)
class UserRows:
    """What is kept of one user. The fields' values are replaced, never changed, but for `states`."""

    profile: Profile = field(default_factory=Profile)
    newest_epoch: datetime | None = None
    states: dict[str, EntityState] = field(default_factory=dict)
    tombstones: Tombstones = field(default_factory=Tombstones)
    suppressed: Suppressed = field(default_factory=Suppressed)


@dataclass(slots=True)
class Tables:
    """All that transactions write: users, digests of their events, and log positions."""

    users: dict[UserKey, UserRows] = field(default_factory=dict)
    events: set[tuple[UserKey, bytes]] = field(default_factory=set)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)


@contextmanager
def transaction(tables: Tables) -> Iterator["MemoryTransaction"]:
    """Commits at the end of the block, unless it raises. The caller holds the lock."""
    tx = MemoryTransaction(tables)
    yield tx
    tx.commit()


def page_key(cursor: EntityCursor) -> tuple[float, str]:
    """Sorts a user's entities: the largest rank first, ties by id."""
    return -cursor.rank, cursor.entity_id


class MemoryTransaction:
    """Implements transaction.Transaction."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._users: dict[UserKey, UserRows] = {}
        self._events: set[tuple[UserKey, bytes]] = set()
        self._erased: set[UserKey] = set()
        self._positions: list[LogPosition] = []

    def tombstones(self, user: UserKey) -> Tombstones:
        return self._rows(user).tombstones

    def put_tombstone(self, user: UserKey, entity_id: str | None, at: datetime) -> None:
        rows = self._rows(user)
        held = rows.tombstones
        if entity_id is None:
            rows.tombstones = replace(held, user=max(at, held.user or at))
        else:
            at = max(at, held.entities.get(entity_id, at))
            rows.tombstones = replace(held, entities={**held.entities, entity_id: at})

    def drop_entity_tombstones(self, user: UserKey, until: datetime) -> int:
        rows = self._rows(user)
        kept = {entity_id: at for entity_id, at in rows.tombstones.entities.items() if at > until}
        dropped = len(rows.tombstones.entities) - len(kept)
        rows.tombstones = replace(rows.tombstones, entities=kept)
        return dropped

    def record_event(self, event: Projected) -> bool:
        key = (event.user, event.digest)
        rows = self._rows(event.user)
        if key in self._tables.events or key in self._events:
            rows.newest_epoch = rows.newest_epoch and max(event.epoch, rows.newest_epoch)
            return False
        self._events.add(key)
        held = rows.profile
        rows.profile = Profile(
            events=held.events + 1,
            first_seen=min(event.occurred_at, held.first_seen or event.occurred_at),
            last_seen=max(event.occurred_at, held.last_seen or event.occurred_at),
        )
        rows.newest_epoch = max(event.epoch, rows.newest_epoch or event.epoch)
        return True

    def newest_epoch(self, user: UserKey) -> datetime | None:
        return self._rows(user).newest_epoch

    def state(self, user: UserKey, entity_id: str) -> EntityState | None:
        return self._rows(user).states.get(entity_id)

    def put_state(self, user: UserKey, state: EntityState) -> None:
        self._rows(user).states[state.entity_id] = state

    def evict(self, user: UserKey, capacity: int) -> None:
        states = self._rows(user).states
        if len(states) > capacity:
            ordered = sorted(states.values(), key=lambda state: page_key(EntityCursor.of(state)))
            for state in ordered[capacity:]:
                del states[state.entity_id]

    def erase_user(self, user: UserKey) -> dict[str, int]:
        rows = self._rows(user)
        events = rows.profile.events
        self._erased.add(user)
        self._users[user] = UserRows(tombstones=rows.tombstones)
        suppressions = len(rows.suppressed.fingerprints) + (rows.suppressed.history_until is not None)
        return {
            "entities": len(rows.states),
            "events": events,
            "profiles": min(events, 1),
            "suppressions": suppressions,
        }

    def erase_entity(self, user: UserKey, entity_id: str) -> int:
        return int(self._rows(user).states.pop(entity_id, None) is not None)

    def put_suppressions(self, user: UserKey, fingerprints: Sequence[bytes], history_until: datetime | None) -> None:
        rows = self._rows(user)
        held = rows.suppressed
        ends = [end for end in (held.history_until, history_until) if end is not None]
        rows.suppressed = Suppressed(tuple(sorted({*held.fingerprints, *fingerprints})), max(ends, default=None))

    def advance(self, position: LogPosition) -> None:
        self._positions.append(position)

    def commit(self) -> None:
        tables = self._tables
        if self._erased:
            tables.events = {key for key in tables.events if key[0] not in self._erased}
        tables.events |= self._events
        tables.users.update(self._users)
        for position in self._positions:
            key = (position.log, position.partition)
            tables.positions[key] = max(tables.positions.get(key, 0), position.next_offset)

    def _rows(self, user: UserKey) -> UserRows:
        """The transaction's own copy."""
        if user not in self._users:
            committed = self._tables.users.get(user, UserRows())
            self._users[user] = replace(committed, states=dict(committed.states))
        return self._users[user]
