"""A store over any engine that keeps rows: what `Store` promises, in terms of transactions."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from attune.knowledge_store import object_links, rules, transfer
from attune.knowledge_store.codec import encode, encode_digests
from attune.knowledge_store.consent import NO_CHOICE, Choice, Consents, Purpose
from attune.knowledge_store.kept import Kept, KeptObject, KeptSummary, KeptTombstone
from attune.knowledge_store.model import (
    Companion,
    EntityState,
    LinkedEntity,
    LogPosition,
    Summary,
    UserKey,
    require_utc,
)
from attune.knowledge_store.privacy import export_records
from attune.knowledge_store.record import Expired, RecordView, UserRecord
from attune.knowledge_store.rows import Rows
from attune.knowledge_store.store import DEFAULT_CAPACITY, FencedError, UnclaimedError
from attune.knowledge_store.store_model import (
    Applied,
    Claim,
    EntityCursor,
    LoggedObject,
    Profile,
    Projected,
    Removal,
    Suppressed,
)
from attune.knowledge_store.summary import is_due
from attune.knowledge_store.transaction import Transaction

_EXPIRED_AT_ONCE = 256
"""Users in one transaction: writers wait for no more than these."""
_EPOCH_BITS = 62
"""Numbers of claims are drawn, not counted: a store that is built again must not count up to that of a sleeper."""
_Found = TypeVar("_Found")


class RowStore(ABC):
    """Implements store.Store. An engine brings `_reading` and `_writing`, which raise StoreError."""

    def __init__(self, *, capacity: int = DEFAULT_CAPACITY, consent_default: bool = True) -> None:
        self._limits = rules.Limits(capacity, consent_default)
        self.consent_default = consent_default

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Rows]:
        """A snapshot: nothing that is committed meanwhile is seen in the block."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Rows]:
        """One transaction: committed at the end of the block, rolled back when it raises."""

    def _asked(self, question: Callable[[Rows], _Found]) -> _Found:
        """What a question of one statement finds. An engine that needs no transaction for one may do without."""
        with self._reading() as rows:
            return question(rows)

    @abstractmethod
    def close(self) -> None:
        """As `Store.close`."""

    def _erased(self) -> None:  # noqa: B027 - most engines need nothing
        """Called after a transaction that erased something, for engines where that needs more."""

    def apply(self, batch: Sequence[Projected], position: LogPosition | None = None) -> Applied:
        events = list(batch)
        with self._writing() as rows:
            if position is not None and position.epoch:
                _require_claimed(rows, position)
            tx = Transaction(rows)
            applied = rules.apply_batch(tx, events, self._limits)
            tx.flush()
            if position is not None:
                rows.advance(position)
        return applied

    def claim(self, log: str, partition: int) -> Claim:
        with self._writing() as rows:
            epoch = secrets.randbits(_EPOCH_BITS) or 1
            rows.claim(log, partition, epoch)  # first: it waits for who has the partition now
            return Claim(epoch, rows.position(log, partition))

    def position(self, log: str, partition: int) -> int:
        return self._asked(lambda rows: rows.position(log, partition))

    def entities(self, user: UserKey) -> list[EntityState]:
        return self._record(user).ranked()

    def view(self, user: UserKey) -> RecordView:
        return self._asked(lambda rows: rows.view(user))

    def entity_page(self, user: UserKey, after: EntityCursor | None, limit: int) -> list[EntityState]:
        return self._record(user).page(after, limit)

    def profile(self, user: UserKey) -> Profile:
        with self._reading() as rows:
            record = rows.record(user) or UserRecord()
            return record.profile(rows.tombstones(user).user)

    def forget_user(self, user: UserKey, at: datetime) -> dict[str, int]:
        with self._writing() as rows:
            tx = Transaction(rows)
            erased = rules.forget_user(tx, user, at)
            tx.flush()
        self._erased()
        return erased

    def forget_entity(self, user: UserKey, entity_id: str, at: datetime) -> dict[str, int]:
        with self._writing() as rows:
            tx = Transaction(rows)
            erased = rules.forget_entity(tx, user, entity_id, at)
            tx.flush()
        self._erased()
        return erased

    def forgotten(self, users: Collection[UserKey]) -> dict[UserKey, datetime]:
        held = self._asked(lambda rows: rows.tombstones_of(users))
        return {user: stones.user for user, stones in held.items() if stones.user is not None}

    def forgotten_entities(self, user: UserKey) -> dict[str, datetime]:
        with self._reading() as rows:
            return dict(rows.tombstones(user).entities)

    def restore(self, removals: Sequence[Removal], position: LogPosition) -> None:
        said = list(removals)
        with self._writing() as rows:
            tx = Transaction(rows)
            rules.restore(tx, said)
            tx.flush()
            rows.advance(position)
        self._erased()

    def suppress(
        self, user: UserKey, fingerprints: Sequence[bytes], at: datetime, history_until: datetime | None = None
    ) -> None:
        with self._writing() as rows:
            tx = Transaction(rows)
            rules.suppress(tx, user, Suppressed(tuple(fingerprints), history_until), at)
            tx.flush()

    def suppressed(self, user: UserKey) -> Suppressed:
        return self._asked(lambda rows: rows.suppressed(user))

    def consent(self, user: UserKey, choices: Sequence[Choice]) -> Consents:
        with self._writing() as rows:
            tx = Transaction(rows)
            consents = rules.consent(tx, user, choices, default=self.consent_default)
            tx.flush()
        self._erased()  # a summary, perhaps
        return consents

    def consents(self, users: Collection[UserKey]) -> dict[UserKey, Consents]:
        return self._asked(lambda rows: rows.consents(users))

    def allows(self, user: UserKey, purpose: Purpose) -> bool:
        consents = self.consents([user]).get(user, NO_CHOICE)
        return consents.allow(purpose, default=self.consent_default)

    def restore_consents(self, said: Sequence[tuple[UserKey, Sequence[Choice]]], position: LogPosition) -> None:
        everything = list(said)
        with self._writing() as rows:
            tx = Transaction(rows)
            rules.restore_consents(tx, everything, default=self.consent_default)
            tx.flush()
            rows.advance(position)
        self._erased()

    def summary(self, user: UserKey) -> Summary | None:
        return self._asked(lambda rows: rows.summary(user))

    def put_summary(self, user: UserKey, summary: Summary, entity_ids: Collection[str]) -> bool:
        with self._writing() as rows:
            tx = Transaction(rows)
            kept = rules.put_summary(tx, user, summary, entity_ids, default=self.consent_default)
            tx.flush()
        return kept

    def due_for_summary(self, every: int) -> Iterator[UserKey]:
        with self._reading() as rows:
            for user, record in self._allowing(rows, Purpose.SUMMARY):
                if is_due(record, rows.summary(user), every):
                    yield user

    def replace_companions(self, tenant: str, companions: Mapping[str, Sequence[Companion]]) -> None:
        with self._writing() as rows:
            rows.replace_companions(tenant, companions)

    def retain_companions(self, tenants: Collection[str]) -> None:
        with self._writing() as rows:
            rows.retain_companions(tenants)

    def companions(self, tenant: str, entity_ids: Collection[str]) -> dict[str, list[Companion]]:
        return self._asked(lambda rows: rows.companions(tenant, entity_ids))

    def remember_objects(self, tenant: str, objects: Mapping[str, Sequence[LinkedEntity]]) -> None:
        with self._writing() as rows:
            rows.put_objects(tenant, objects)

    def objects(self, tenant: str, object_ids: Sequence[str]) -> dict[str, list[LinkedEntity]]:
        return self._asked(lambda rows: rows.objects(tenant, object_ids))

    def forget_objects(self, tenant: str, object_ids: Sequence[str]) -> int:
        with self._writing() as rows:
            return rows.delete_objects(tenant, object_ids)

    def restore_objects(self, said: Sequence[LoggedObject], position: LogPosition) -> None:
        with self._writing() as rows:
            object_links.restore_objects(rows, said, position)

    def every_object(self) -> Iterator[KeptObject]:
        with self._reading() as rows:
            yield from rows.every_object()

    def export(self, user: UserKey) -> Iterator[dict[str, Any]]:
        with self._reading() as rows:
            record, tombstones = rows.record(user) or UserRecord(), rows.tombstones(user)
            consents, summary = rows.consents([user]).get(user, NO_CHOICE), rows.summary(user)
        return export_records(user, record, tombstones, consents, summary)

    def users(self) -> Iterator[tuple[UserKey, UserRecord]]:
        with self._reading() as rows:
            yield from rows.users()

    def users_allowing(self, purpose: Purpose) -> Iterator[tuple[UserKey, UserRecord]]:
        with self._reading() as rows:
            yield from self._allowing(rows, purpose)

    def put_users(self, records: Iterable[tuple[UserKey, UserRecord]]) -> None:
        """Keeps whole records in place of what there was of these users, in one transaction.

        A record that several users share is encoded once.
        """
        encoded: dict[int, tuple[UserRecord, bytes, bytes]] = {}  # with the record, so that no other gets its number

        def once(record: UserRecord) -> tuple[UserRecord, bytes, bytes]:
            if id(record) not in encoded:
                encoded[id(record)] = (record, encode(record), encode_digests(record))
            return encoded[id(record)]

        with self._writing() as rows:
            rows.put_encoded((user, *once(record)[1:]) for user, record in records)

    def record_bytes(self, user: UserKey) -> int:
        """How long the user's record and its digests are, as they are kept."""
        with self._writing() as rows:
            record = rows.locked([user]).get(user)
        return 0 if record is None else len(encode(record)) + len(encode_digests(record))

    def expire(self, before: datetime, *, dry_run: bool = False) -> Expired:
        require_utc(before, "before")
        found = ((user, record.expirable(before)) for user, record in self.users())
        old = ((user, expired) for user, expired in found if expired != Expired())
        expired = Expired()
        while batch := list(islice(old, _EXPIRED_AT_ONCE)):
            if dry_run:
                expired = sum((each for _, each in batch), expired)
            else:
                expired += self._expire([user for user, _ in batch], before)
        if not dry_run:
            self._erased()
        return expired

    def snapshot(self) -> AbstractContextManager[Rows]:
        """All that is kept as of one moment, to be read in the block."""
        return self._reading()

    def carry_tombstones(self, tombstones: Iterable[KeptTombstone]) -> None:
        """Keeps those of another store, in one transaction. What they cover and is here already stays."""
        with self._writing() as rows:
            for each in tombstones:
                rows.put_tombstone(each)

    def carry_summaries(self, summaries: Iterable[KeptSummary]) -> None:
        """Keeps summaries of another store of the same users, in one transaction.

        Left out are those of users who allow none, or of whom this store has fewer events than the summary tells of.
        """
        with self._writing() as rows:
            tx = Transaction(rows)
            for each in summaries:
                rules.carry_summary(tx, each.user, each.summary, default=self.consent_default)
            tx.flush()

    def dump(self) -> Iterator[Kept]:
        with self._reading() as rows:
            yield from transfer.dump(rows)

    def load(self, kept: Iterable[Kept]) -> None:
        with self._writing() as rows:
            transfer.load(rows, kept)

    def size(self) -> int | None:
        return self._asked(lambda rows: rows.size())

    def _allowing(self, rows: Rows, purpose: Purpose) -> Iterator[tuple[UserKey, UserRecord]]:
        """Few users make choices: theirs are in memory at once."""
        chosen = {kept.user_digest: kept.consents for kept in rows.every_consents()}
        for user, record in rows.users():
            if chosen.get(user.digest, NO_CHOICE).allow(purpose, default=self.consent_default):
                yield user, record

    def _expire(self, users: Collection[UserKey], before: datetime) -> Expired:
        with self._writing() as rows:
            tx = Transaction(rows)
            expired = rules.expire(tx, users, before)
            tx.flush()
        return expired

    def _record(self, user: UserKey) -> UserRecord:
        return self._asked(lambda rows: rows.record(user)) or UserRecord()


def _require_claimed(rows: Rows, position: LogPosition) -> None:
    epoch = rows.epoch(position.log, position.partition)
    if epoch != position.epoch:
        raise (FencedError if epoch else UnclaimedError)(position.log, position.partition)
