"""The rules of the store, written once over what an engine keeps: users' records, tombstones and log positions.

Which events count, what a tombstone covers and who is evicted is decided here, event by event, so that the result does
not depend on how a log was cut into batches, nor on the engine.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Protocol

from attune.knowledge_store.codec import encode, encode_digests
from attune.knowledge_store.consent import NO_CHOICE, Choice, Consents, Purpose
from attune.knowledge_store.kept import Kept, KeptConsents, KeptObject, KeptSummary, KeptTombstone, KeptUser
from attune.knowledge_store.model import (
    Companion,
    EntityState,
    LinkedEntity,
    LogPosition,
    Summary,
    UserKey,
    require_identifier,
    require_utc,
)
from attune.knowledge_store.record import Expired, UserRecord
from attune.knowledge_store.store import Applied, Projected, Removal, StoreError, Suppressed

_LOADED_AT_ONCE = 256
"""Pieces of a backup: an engine takes them faster together, and memory has no more of them than these."""


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Until when a user, or single entities of a user, were forgotten."""

    user: datetime | None = None
    entities: Mapping[str, datetime] = field(default_factory=dict)

    def cover_event(self, epoch: datetime) -> bool:
        """Whether the user was forgotten after it."""
        return self.user is not None and epoch <= self.user

    def cover_entity(self, epoch: datetime, entity_id: str) -> bool:
        """Whether the entity was forgotten after it."""
        forgotten_at = self.entities.get(entity_id)
        return forgotten_at is not None and epoch <= forgotten_at


class Rows(Protocol):
    """What one engine reads and writes, row by row, within a transaction that it makes atomic."""

    def record(self, user: UserKey) -> UserRecord | None:
        """The user's record without digests, to be read."""
        ...

    def states(self, user: UserKey) -> Mapping[str, EntityState]:
        """The user's entity states by their ids, to be read; of a user who has no record, none."""
        ...

    def locked(self, users: Collection[UserKey]) -> dict[UserKey, UserRecord]:
        """The whole records of those that have one. Until the end no other transaction changes any of the users."""
        ...

    def put(self, user: UserKey, record: UserRecord) -> None:
        """Keeps the record, which is locked, in place of what there was."""
        ...

    def put_encoded(self, users: Iterable[tuple[UserKey, bytes, bytes]]) -> None:
        """As `put` for many users: their records and digests as `codec` encodes them."""
        ...

    def delete(self, user: UserKey) -> None:
        """Drops the record."""
        ...

    def tombstones(self, user: UserKey) -> Tombstones:
        """Those of the user."""
        ...

    def put_tombstone(self, tombstone: KeptTombstone) -> None:
        """Keeps it; one that is earlier than what there was leaves that."""
        ...

    def drop_entity_tombstones(self, user: UserKey, until: datetime) -> int:
        """Removes the user's entity tombstones not after `until`."""
        ...

    def consents(self, users: Collection[UserKey]) -> dict[UserKey, Consents]:
        """As `Store.consents`."""
        ...

    def put_consents(self, consents: KeptConsents) -> None:
        """Keeps them in place of what there was."""
        ...

    def summary(self, user: UserKey) -> Summary | None:
        """The user's."""
        ...

    def put_summary(self, summary: KeptSummary) -> None:
        """Keeps it in place of what there was."""
        ...

    def delete_summary(self, user: UserKey) -> int:
        """Returns how many there were."""
        ...

    def replace_companions(self, tenant: str, companions: Mapping[str, Sequence[Companion]]) -> None:
        """As `Store.replace_companions`."""
        ...

    def retain_companions(self, tenants: Collection[str]) -> None:
        """As `Store.retain_companions`."""
        ...

    def companions(self, tenant: str, entity_ids: Collection[str]) -> dict[str, list[Companion]]:
        """As `Store.companions`."""
        ...

    def position(self, log: str, partition: int) -> int:
        """The next offset to read, 0 for a partition never read."""
        ...

    def advance(self, position: LogPosition) -> None:
        """Moves the position on; one that is behind leaves it."""
        ...

    def put_objects(self, tenant: str, objects: Mapping[str, Sequence[LinkedEntity]]) -> None:
        """As `Store.remember_objects`."""
        ...

    def objects(self, tenant: str, object_ids: Sequence[str]) -> dict[str, list[LinkedEntity]]:
        """As `Store.objects`."""
        ...

    def delete_objects(self, tenant: str, object_ids: Sequence[str]) -> int:
        """As `Store.forget_objects`."""
        ...

    def users(self) -> Iterator[tuple[UserKey, UserRecord]]:
        """Every user that there is, by tenant and user, with the whole record, to be read; one at a time in memory."""
        ...

    def every_tombstone(self) -> Iterator[KeptTombstone]:
        """By digest, then the user's before its entities'."""
        ...

    def every_consents(self) -> Iterator[KeptConsents]:
        """By digest."""
        ...

    def every_summary(self) -> Iterator[KeptSummary]:
        """By tenant and user; one at a time in memory."""
        ...

    def positions(self) -> Iterator[LogPosition]:
        """By log and partition."""
        ...

    def every_object(self) -> Iterator[KeptObject]:
        """By tenant and object id; one at a time in memory."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing at all is kept. Until the end no other transaction changes that."""
        ...

    def size(self) -> int | None:
        """Bytes that the engine takes for all of this on disk; None for one that has no disk."""
        ...


class Transaction:
    """Users as a transaction sees them: each read once, changed in memory, and written when it is `flush`ed."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._records: dict[UserKey, UserRecord] = {}
        self._tombstones: dict[UserKey, Tombstones] = {}
        self._consents: dict[UserKey, Consents] = {}
        self._touched: dict[UserKey, None] = {}

    def lock(self, users: Collection[UserKey]) -> None:
        """Reads several users at once; those that are not locked are read one by one."""
        missing = sorted({user for user in users if user not in self._records})
        found = self._rows.locked(missing)
        self._records |= {user: found.get(user) or UserRecord() for user in missing}

    def changed(self, user: UserKey) -> UserRecord:
        """The user's record, to be changed."""
        self.lock([user])
        self._touched[user] = None
        return self._records[user]

    def has_entities(self, user: UserKey, entity_ids: Collection[str]) -> bool:
        """Whether the user, who is locked from here on, has all of them."""
        self.lock([user])
        return set(entity_ids) <= self._records[user].states.keys()

    def erase(self, user: UserKey) -> dict[str, int]:
        """Empties the user's record; how much was in it."""
        counts = self.changed(user).counts()
        self._records[user] = UserRecord()
        return counts

    def tombstones(self, user: UserKey) -> Tombstones:
        """Those of the user, who is locked from here on."""
        self.lock([user])
        if user not in self._tombstones:
            self._tombstones[user] = self._rows.tombstones(user)
        return self._tombstones[user]

    def bury(self, user: UserKey, entity_id: str | None, at: datetime) -> None:
        """Puts a tombstone: on the entity, or on the user when it is None."""
        self._rows.put_tombstone(KeptTombstone(user.digest, entity_id, at))
        self._tombstones.pop(user, None)

    def drop_entity_tombstones(self, user: UserKey, until: datetime) -> int:
        """Removes the user's entity tombstones not after `until`."""
        self._tombstones.pop(user, None)
        return self._rows.drop_entity_tombstones(user, until)

    def consents(self, users: Collection[UserKey]) -> Mapping[UserKey, Consents]:
        """What each of the users allows; they are locked from here on."""
        self.lock(users)
        missing = [user for user in users if user not in self._consents]
        found = self._rows.consents(missing) if missing else {}
        self._consents |= {user: found.get(user, NO_CHOICE) for user in missing}
        return self._consents

    def consent(self, user: UserKey, choices: Sequence[Choice]) -> Consents:
        """Adds to what the user allows; returns all of it."""
        merged = self.consents([user])[user].merged(choices)
        self._rows.put_consents(KeptConsents(user.digest, merged))
        self._consents[user] = merged
        return merged

    def delete_summary(self, user: UserKey) -> int:
        """Returns how many there were. The user is locked from here on, so that none is written now."""
        self.lock([user])
        return self._rows.delete_summary(user)

    def summary(self, user: UserKey) -> Summary | None:
        """The user's, who is locked from here on."""
        self.lock([user])
        return self._rows.summary(user)

    def put_summary(self, user: UserKey, summary: Summary) -> None:
        """Keeps it; the user is locked."""
        self._rows.put_summary(KeptSummary(user, summary))

    def flush(self) -> None:
        """Writes what has changed."""
        for user in self._touched:
            record = self._records[user]
            if record.is_empty:
                self._rows.delete(user)
            else:
                self._rows.put(user, record)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a store: how many entities a user has at most, and whether what nobody chose is allowed."""

    capacity: int
    consent_default: bool


def apply_batch(tx: Transaction, batch: Sequence[Projected], limits: Limits) -> Applied:
    """See Store.apply."""
    users = {event.user for event in batch}
    tx.lock(users)
    tx.consents(users)
    return Applied(**Counter(_apply_event(tx, event, limits) for event in batch))


def _apply_event(tx: Transaction, event: Projected, limits: Limits) -> str:
    tombstones = tx.tombstones(event.user)
    if tombstones.cover_event(event.epoch):
        return "forgotten"
    if not _may_learn(tx.consents([event.user])[event.user], event, limits.consent_default):
        return "withheld"
    record = tx.changed(event.user)
    if not record.take(event):
        return "duplicates"
    for seen in event.observations:
        if not tombstones.cover_entity(event.epoch, seen.entity_id):
            record.observe(seen)
    record.evict(limits.capacity)
    return "new"


def _may_learn(consents: Consents, event: Projected, default: bool) -> bool:
    """Held against both times: what is logged late was not allowed either."""
    moments = (event.occurred_at, event.logged_at)
    return all(consents.allowed_learning(moment, default=default) for moment in moments)


def forget_user(tx: Transaction, user: UserKey, at: datetime) -> dict[str, int]:
    """See Store.forget_user."""
    until = _covering(tx, user, at)
    erased = tx.erase(user)
    erased["summaries"] = tx.delete_summary(user)
    erased["entity_tombstones"] = tx.drop_entity_tombstones(user, until)
    tx.bury(user, None, until)
    return erased


def forget_entity(tx: Transaction, user: UserKey, entity_id: str, at: datetime) -> dict[str, int]:
    """See Store.forget_entity."""
    require_identifier(entity_id, "entity_id")
    until = _covering(tx, user, at)
    erased = tx.changed(user).states.pop(entity_id, None)
    tx.bury(user, entity_id, until)
    return {"entities": int(erased is not None), "summaries": tx.delete_summary(user)}


def restore(tx: Transaction, removals: Sequence[Removal]) -> None:
    """See Store.restore."""
    for removal in removals:
        _restore(tx, removal)


def suppress(tx: Transaction, user: UserKey, more: Suppressed) -> None:
    """See Store.suppress."""
    tx.changed(user).suppress(more)


def consent(tx: Transaction, user: UserKey, choices: Sequence[Choice], *, default: bool) -> Consents:
    """See Store.consent."""
    consents = tx.consent(user, choices)
    if not consents.allow(Purpose.SUMMARY, default=default):
        tx.delete_summary(user)
    return consents


def put_summary(
    tx: Transaction, user: UserKey, summary: Summary, entity_ids: Collection[str], *, default: bool
) -> bool:
    """See Store.put_summary."""
    allowed = tx.consents([user])[user].allow(Purpose.SUMMARY, default=default)
    if not allowed or not tx.has_entities(user, entity_ids):
        return False
    held = tx.summary(user)
    if held is not None and held.version >= summary.version:  # another process has made this one meanwhile
        return False
    tx.put_summary(user, summary)
    return True


def expire(tx: Transaction, users: Collection[UserKey], before: datetime) -> Expired:
    """See Store.expire."""
    tx.lock(users)
    expired = Expired()
    for user in users:
        lost = tx.changed(user).expire(before)
        if lost != Expired():
            tx.delete_summary(user)
        expired += lost
    return expired


def dump(rows: Rows) -> Iterator[Kept]:
    """See Store.dump."""
    for user, record in rows.users():
        yield KeptUser(user, record)
    yield from rows.every_tombstone()
    yield from rows.every_consents()
    yield from rows.every_summary()
    yield from rows.positions()
    yield from rows.every_object()


def load(rows: Rows, kept: Iterable[Kept]) -> None:
    """See Store.load."""
    if not rows.is_empty():
        raise StoreError("the store is not empty: name a new one, or move this one away")
    pieces = iter(kept)
    while batch := list(islice(pieces, _LOADED_AT_ONCE)):
        _load(rows, batch)


def _load(rows: Rows, batch: Sequence[Kept]) -> None:
    users: list[tuple[UserKey, bytes, bytes]] = []
    objects: defaultdict[str, dict[str, Sequence[LinkedEntity]]] = defaultdict(dict)
    for each in batch:
        match each:
            case KeptUser(user, record):
                users.append((user, encode(record), encode_digests(record)))
            case KeptTombstone():
                rows.put_tombstone(each)
            case KeptConsents():
                rows.put_consents(each)
            case KeptSummary():
                rows.put_summary(each)
            case LogPosition():
                rows.advance(each)
            case KeptObject(tenant, object_id, linked):
                objects[tenant][object_id] = linked
    rows.put_encoded(users)
    for tenant, of_tenant in objects.items():
        rows.put_objects(tenant, of_tenant)


def _restore(tx: Transaction, removal: Removal) -> None:
    held = tx.tombstones(removal.user)
    if held.cover_event(removal.at):
        return
    if removal.suppressed is not None:
        suppress(tx, removal.user, removal.suppressed)
    elif not removal.entity_id:
        forget_user(tx, removal.user, removal.at)
    elif not held.cover_entity(removal.at, removal.entity_id):
        forget_entity(tx, removal.user, removal.entity_id, removal.at)


def _covering(tx: Transaction, user: UserKey, at: datetime) -> datetime:
    """`at`, or later if the user has newer events: the log's clock may be ahead, and replays must find them covered."""
    require_utc(at, "at")
    newest = tx.changed(user).newest_epoch
    return at if newest is None else max(at, newest)
