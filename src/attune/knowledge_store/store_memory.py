"""The store in memory: nothing survives the process. For demonstrations, tests, and as the other engines' yardstick."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from threading import RLock

from attune.knowledge_store.codec import decode_whole
from attune.knowledge_store.consent import Consents
from attune.knowledge_store.kept import KeptConsents, KeptObject, KeptSummary, KeptTombstone
from attune.knowledge_store.model import Companion, LinkedEntity, LogPosition, Summary, UserKey
from attune.knowledge_store.record import RecordView, UserRecord
from attune.knowledge_store.store import DEFAULT_CAPACITY, StoreError
from attune.knowledge_store.store_model import Suppressed
from attune.knowledge_store.store_rows import RowStore
from attune.knowledge_store.tombstones import Tombstones


@dataclass(slots=True)
class _Tables:
    """Whatever is in a table is replaced, never changed, so that a copy of the tables is a snapshot."""

    users: dict[UserKey, UserRecord] = field(default_factory=dict)
    tombstones: dict[bytes, Tombstones] = field(default_factory=dict)
    consents: dict[bytes, Consents] = field(default_factory=dict)
    summaries: dict[UserKey, Summary] = field(default_factory=dict)
    companions: dict[str, Mapping[str, Sequence[Companion]]] = field(default_factory=dict)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    claims: dict[tuple[str, int], int] = field(default_factory=dict)
    objects: dict[tuple[str, str], tuple[LinkedEntity, ...]] = field(default_factory=dict)


class MemoryStore(RowStore):
    """Implements store.Store over dictionaries under one lock."""

    def __init__(self, *, capacity: int = DEFAULT_CAPACITY, consent_default: bool = True) -> None:
        super().__init__(capacity=capacity, consent_default=consent_default)
        self._lock = RLock()
        self._tables = _Tables()
        self._is_closed = False

    @contextmanager
    def _reading(self) -> Iterator["_MemoryRows"]:
        with self._lock:
            self._require_open()
            snapshot = self._tables
        yield _MemoryRows(snapshot)

    @contextmanager
    def _writing(self) -> Iterator["_MemoryRows"]:
        with self._lock:
            self._require_open()
            draft = _Tables(*(copy(getattr(self._tables, table.name)) for table in fields(_Tables)))
            yield _MemoryRows(draft)
            self._tables = draft

    def close(self) -> None:
        """As `Store.close`."""
        self._is_closed = True

    def _require_open(self) -> None:
        if self._is_closed:
            raise StoreError("the store in memory is closed: open another one")


class _MemoryRows:
    """Implements rows.Rows."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def record(self, user: UserKey) -> UserRecord | None:
        return self._tables.users.get(user)

    def view(self, user: UserKey) -> RecordView:
        return self._tables.users.get(user) or UserRecord()

    def suppressed(self, user: UserKey) -> Suppressed:
        record = self._tables.users.get(user)
        return Suppressed() if record is None else record.suppressed

    def locked(self, users: Collection[UserKey]) -> dict[UserKey, UserRecord]:
        return {user: _copied(self._tables.users[user]) for user in users if user in self._tables.users}

    def put(self, records: Mapping[UserKey, UserRecord]) -> None:
        self._tables.users.update(records)

    def put_encoded(self, users: Iterable[tuple[UserKey, bytes, bytes]]) -> None:
        for user, content, digests in users:
            self._tables.users[user] = decode_whole(content, digests)

    def delete(self, users: Collection[UserKey]) -> None:
        for user in users:
            self._tables.users.pop(user, None)

    def tombstones(self, user: UserKey) -> Tombstones:
        return self._tables.tombstones.get(user.digest, Tombstones())

    def tombstones_of(self, users: Collection[UserKey]) -> dict[UserKey, Tombstones]:
        return {user: self.tombstones(user) for user in users}

    def put_tombstone(self, tombstone: KeptTombstone) -> None:
        digest, entity_id, at = tombstone.user_digest, tombstone.entity_id, tombstone.forgotten_at
        held = self._tables.tombstones.get(digest, Tombstones())
        if entity_id is None:
            self._tables.tombstones[digest] = replace(held, user=max(at, held.user or at))
        else:
            at = max(at, held.entities.get(entity_id, at))
            self._tables.tombstones[digest] = replace(held, entities={**held.entities, entity_id: at})

    def drop_entity_tombstones(self, user: UserKey, until: datetime) -> int:
        held = self.tombstones(user)
        kept = {entity_id: at for entity_id, at in held.entities.items() if at > until}
        self._tables.tombstones[user.digest] = replace(held, entities=kept)
        return len(held.entities) - len(kept)

    def consents(self, users: Collection[UserKey]) -> dict[UserKey, Consents]:
        held = self._tables.consents
        return {user: held[user.digest] for user in users if user.digest in held}

    def put_consents(self, consents: KeptConsents) -> None:
        self._tables.consents[consents.user_digest] = consents.consents

    def summary(self, user: UserKey) -> Summary | None:
        return self._tables.summaries.get(user)

    def put_summary(self, summary: KeptSummary) -> None:
        self._tables.summaries[summary.user] = summary.summary

    def delete_summary(self, user: UserKey) -> int:
        return int(self._tables.summaries.pop(user, None) is not None)

    def replace_companions(self, tenant: str, companions: Mapping[str, Sequence[Companion]]) -> None:
        self._tables.companions[tenant] = {entity_id: tuple(each) for entity_id, each in companions.items()}

    def retain_companions(self, tenants: Collection[str]) -> None:
        held = self._tables.companions
        self._tables.companions = {tenant: held[tenant] for tenant in tenants if tenant in held}

    def companions(self, tenant: str, entity_ids: Collection[str]) -> dict[str, list[Companion]]:
        held = self._tables.companions.get(tenant, {})
        return {entity_id: list(held[entity_id]) for entity_id in entity_ids if entity_id in held}

    def position(self, log: str, partition: int) -> int:
        return self._tables.positions.get((log, partition), 0)

    def advance(self, position: LogPosition) -> None:
        key = (position.log, position.partition)
        self._tables.positions[key] = max(self._tables.positions.get(key, 0), position.next_offset)

    def claim(self, log: str, partition: int, epoch: int) -> None:
        self._tables.claims[log, partition] = epoch

    def epoch(self, log: str, partition: int) -> int:
        return self._tables.claims.get((log, partition), 0)

    def put_objects(self, tenant: str, objects: Mapping[str, Sequence[LinkedEntity]]) -> None:
        self._tables.objects.update({(tenant, object_id): tuple(linked) for object_id, linked in objects.items()})

    def objects(self, tenant: str, object_ids: Sequence[str]) -> dict[str, list[LinkedEntity]]:
        held = self._tables.objects
        return {each: list(held[tenant, each]) for each in object_ids if (tenant, each) in held}

    def delete_objects(self, tenant: str, object_ids: Sequence[str]) -> int:
        return sum(self._tables.objects.pop((tenant, object_id), None) is not None for object_id in object_ids)

    def users(self) -> Iterator[tuple[UserKey, UserRecord]]:
        yield from sorted(self._tables.users.items(), key=lambda item: item[0])

    def every_tombstone(self) -> Iterator[KeptTombstone]:
        for digest, held in sorted(self._tables.tombstones.items(), key=lambda item: item[0]):
            if held.user is not None:
                yield KeptTombstone(digest, None, held.user)
            for entity_id, at in sorted(held.entities.items()):
                yield KeptTombstone(digest, entity_id, at)

    def every_consents(self) -> Iterator[KeptConsents]:
        for digest, consents in sorted(self._tables.consents.items(), key=lambda item: item[0]):
            yield KeptConsents(digest, consents)

    def every_summary(self) -> Iterator[KeptSummary]:
        for user, summary in sorted(self._tables.summaries.items(), key=lambda item: item[0]):
            yield KeptSummary(user, summary)

    def positions(self) -> Iterator[LogPosition]:
        for (log, partition), next_offset in sorted(self._tables.positions.items()):
            yield LogPosition(log, partition, next_offset)

    def every_object(self) -> Iterator[KeptObject]:
        for (tenant, object_id), linked in sorted(self._tables.objects.items(), key=lambda item: item[0]):
            yield KeptObject(tenant, object_id, linked)

    def is_empty(self) -> bool:
        return replace(self._tables, claims={}) == _Tables()

    def size(self) -> int | None:
        return None


def _copied(record: UserRecord) -> UserRecord:
    return replace(
        record,
        states=dict(record.states),
        digests=dict(record.digests),
        readings=dict(record.readings),
        statements=dict(record.statements),
    )
