"""The store in memory: nothing survives the process. For demonstrations, tests, and as the other engines' yardstick."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from threading import RLock
from typing import Any

from attune.knowledge_store import transaction as rules
from attune.knowledge_store.model import EntityState, LinkedEntity, LogPosition, UserKey
from attune.knowledge_store.privacy import export_records
from attune.knowledge_store.store import (
    DEFAULT_CAPACITY,
    Applied,
    EntityCursor,
    Profile,
    Projected,
    Removal,
    StoreError,
    Suppressed,
)
from attune.knowledge_store.transaction_memory import Tables, UserRows, page_key, transaction


class MemoryStore:
    """Implements store.Store over dictionaries under one lock."""

    def __init__(self, *, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = capacity
        self._lock = RLock()
        self._tables = Tables()
        self._objects: dict[tuple[str, str], list[LinkedEntity]] = {}
        self._is_closed = False

    def apply(self, batch: Sequence[Projected], position: LogPosition | None = None) -> Applied:
        with self._opened(), transaction(self._tables) as tx:
            return rules.apply_batch(tx, batch, position, self._capacity)

    def position(self, log: str, partition: int) -> int:
        with self._opened():
            return self._tables.positions.get((log, partition), 0)

    def entities(self, user: UserKey) -> list[EntityState]:
        with self._opened():
            return sorted(self._rows(user).states.values(), key=lambda state: page_key(EntityCursor.of(state)))

    def entity_page(self, user: UserKey, after: EntityCursor | None, limit: int) -> list[EntityState]:
        states = self.entities(user)
        if after is not None:
            states = [state for state in states if page_key(EntityCursor.of(state)) > page_key(after)]
        return states[:limit]

    def profile(self, user: UserKey) -> Profile:
        with self._opened():
            rows = self._rows(user)
            return replace(rows.profile, entities=len(rows.states), forgotten_at=rows.tombstones.user)

    def forget_user(self, user: UserKey, at: datetime) -> dict[str, int]:
        with self._opened(), transaction(self._tables) as tx:
            return rules.forget_user(tx, user, at)

    def forget_entity(self, user: UserKey, entity_id: str, at: datetime) -> dict[str, int]:
        with self._opened(), transaction(self._tables) as tx:
            return rules.forget_entity(tx, user, entity_id, at)

    def forgotten(self, users: Collection[UserKey]) -> dict[UserKey, datetime]:
        with self._opened():
            held = ((user, self._rows(user).tombstones.user) for user in users)
            return {user: until for user, until in held if until is not None}

    def restore(self, removals: Sequence[Removal], position: LogPosition) -> None:
        with self._opened(), transaction(self._tables) as tx:
            rules.restore(tx, removals, position)

    def suppress(self, user: UserKey, fingerprints: Sequence[bytes], history_until: datetime | None = None) -> None:
        with self._opened(), transaction(self._tables) as tx:
            tx.put_suppressions(user, fingerprints, history_until)

    def suppressed(self, user: UserKey) -> Suppressed:
        with self._opened():
            return self._rows(user).suppressed

    def remember_objects(self, tenant: str, objects: Mapping[str, Sequence[LinkedEntity]]) -> None:
        with self._opened():
            self._objects.update({(tenant, object_id): list(linked) for object_id, linked in objects.items()})

    def objects(self, tenant: str, object_ids: Sequence[str]) -> dict[str, list[LinkedEntity]]:
        with self._opened():
            known = (object_id for object_id in object_ids if (tenant, object_id) in self._objects)
            return {object_id: list(self._objects[tenant, object_id]) for object_id in known}

    def forget_objects(self, tenant: str, object_ids: Sequence[str]) -> int:
        with self._opened():
            return sum(self._objects.pop((tenant, object_id), None) is not None for object_id in object_ids)

    def export(self, user: UserKey) -> Iterator[dict[str, Any]]:
        with self._opened():
            rows = self._rows(user)
            return export_records(user, self.profile(user), self.entities(user), rows.tombstones, rows.suppressed)

    def close(self) -> None:
        self._is_closed = True

    def _opened(self) -> RLock:
        if self._is_closed:
            raise StoreError("the store in memory is closed: open another one")
        return self._lock

    def _rows(self, user: UserKey) -> UserRows:
        return self._tables.users.get(user, UserRows())
