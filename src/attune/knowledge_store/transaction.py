"""The rules of the store, written once over what an engine can do in one transaction.

An engine brings a Transaction (read and write single rows) and makes it atomic; which events count, what a tombstone
covers and who is evicted is decided here, event by event, so that the result does not depend on how a log was cut into
batches.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from attune.knowledge_store.model import EntityState, LogPosition, UserKey, require_identifier, require_utc
from attune.knowledge_store.store import Applied, Projected, Removal


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Until when a user, or single entities of a user, were forgotten."""

    user: datetime | None = None
    entities: Mapping[str, datetime] = field(default_factory=dict)

    def cover_event(self, epoch: datetime) -> bool:
        return self.user is not None and epoch <= self.user

    def cover_entity(self, epoch: datetime, entity_id: str) -> bool:
        forgotten_at = self.entities.get(entity_id)
        return forgotten_at is not None and epoch <= forgotten_at


class Transaction(Protocol):
    """Single-row operations of one engine, all of which happen or none."""

    def tombstones(self, user: UserKey) -> Tombstones: ...

    def put_tombstone(self, user: UserKey, entity_id: str | None, at: datetime) -> None:
        """Forgets the entity, or the user when it is None, until `at`."""
        ...

    def drop_entity_tombstones(self, user: UserKey, until: datetime) -> int:
        """Removes the user's entity tombstones not after `until`."""
        ...

    def record_event(self, event: Projected) -> bool:
        """Notes the user's event id, and counts the event in the profile; False for a known id, which is not counted.

        Both move the user's newest epoch: a log may hold an event twice, the copy logged later.
        """
        ...

    def newest_epoch(self, user: UserKey) -> datetime | None:
        """The latest epoch of the user's recorded events and their copies."""
        ...

    def state(self, user: UserKey, entity_id: str) -> EntityState | None: ...

    def put_state(self, user: UserKey, state: EntityState) -> None: ...

    def evict(self, user: UserKey, capacity: int) -> None:
        """Keeps the user's first `capacity` entities by rank (largest first), ties by id."""
        ...

    def erase_user(self, user: UserKey) -> dict[str, int]:
        """Removes all rows of the user but tombstones; returns how many were in entities, events, profiles,
        suppressions.
        """
        ...

    def erase_entity(self, user: UserKey, entity_id: str) -> int: ...

    def put_suppressions(self, user: UserKey, fingerprints: Sequence[bytes], history_until: datetime | None) -> None:
        """Adds fingerprints, and moves the end of the unused history on."""
        ...

    def advance(self, position: LogPosition) -> None:
        """Moves the position on; one that is behind leaves it."""
        ...


def apply_batch(tx: Transaction, batch: Sequence[Projected], position: LogPosition | None, capacity: int) -> Applied:
    outcomes = Counter(_apply_event(tx, event, capacity) for event in batch)
    if position is not None:
        tx.advance(position)
    return Applied(**outcomes)


def _apply_event(tx: Transaction, event: Projected, capacity: int) -> str:
    tombstones = tx.tombstones(event.user)
    if tombstones.cover_event(event.epoch):
        return "forgotten"
    if not tx.record_event(event):
        return "duplicates"
    has_grown = False
    for seen in event.observations:
        if tombstones.cover_entity(event.epoch, seen.entity_id):
            continue
        state = tx.state(event.user, seen.entity_id)
        tx.put_state(event.user, EntityState.first(seen) if state is None else state.observed(seen))
        has_grown = has_grown or state is None
    if has_grown:
        tx.evict(event.user, capacity)
    return "new"


def forget_user(tx: Transaction, user: UserKey, at: datetime) -> dict[str, int]:
    """See Store.forget_user."""
    until = _covering(tx, user, at)
    erased = tx.erase_user(user)
    erased["entity_tombstones"] = tx.drop_entity_tombstones(user, until)
    tx.put_tombstone(user, None, until)
    return erased


def forget_entity(tx: Transaction, user: UserKey, entity_id: str, at: datetime) -> dict[str, int]:
    """See Store.forget_entity."""
    require_identifier(entity_id, "entity_id")
    until = _covering(tx, user, at)
    erased = tx.erase_entity(user, entity_id)
    tx.put_tombstone(user, entity_id, until)
    return {"entities": erased}


def restore(tx: Transaction, removals: Sequence[Removal], position: LogPosition) -> None:
    """See Store.restore."""
    for removal in removals:
        _restore(tx, removal)
    tx.advance(position)


def _restore(tx: Transaction, removal: Removal) -> None:
    held = tx.tombstones(removal.user)
    if held.cover_event(removal.at):
        return
    if removal.suppressed is not None:
        tx.put_suppressions(removal.user, removal.suppressed.fingerprints, removal.suppressed.history_until)
    elif not removal.entity_id:
        forget_user(tx, removal.user, removal.at)
    elif not held.cover_entity(removal.at, removal.entity_id):
        forget_entity(tx, removal.user, removal.entity_id, removal.at)


def _covering(tx: Transaction, user: UserKey, at: datetime) -> datetime:
    """`at`, or later if the user has newer events: the log's clock may be ahead, and replays must find them covered."""
    require_utc(at, "at")
    newest = tx.newest_epoch(user)
    return at if newest is None else max(at, newest)
