"""The store in one SQLite file: durable, for one machine; threads and processes may share it."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attune.knowledge_store import transaction as rules
from attune.knowledge_store.model import EntityState, LinkedEntity, LogPosition, UserKey
from attune.knowledge_store.privacy import export_records
from attune.knowledge_store.sqlite_connections import Connections
from attune.knowledge_store.store import (
    DEFAULT_CAPACITY,
    Applied,
    EntityCursor,
    Profile,
    Projected,
    Removal,
    Suppressed,
)
from attune.knowledge_store.transaction_sqlite import STATE_COLUMNS, SqliteTransaction, to_datetime, to_states

_STATES = f"SELECT {STATE_COLUMNS} FROM entities WHERE tenant = ? AND user = ?"  # noqa: S608 - a constant
_BY_RANK = " ORDER BY rank DESC, entity_id LIMIT ?"
_BEHIND = " AND rank <= ? AND (rank < ? OR entity_id > ?)"
_EVERYTHING = -1


class SqliteStore:
    """Implements store.Store. Opens or creates the file; raises StoreError when it cannot be one."""

    def __init__(
        self,
        path: Path | str,
        *,
        capacity: int = DEFAULT_CAPACITY,
        busy_timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self._capacity = capacity
        self._connections = Connections(Path(path), busy_timeout)

    def apply(self, batch: Sequence[Projected], position: LogPosition | None = None) -> Applied:
        with self._connections.write() as connection:
            return rules.apply_batch(SqliteTransaction(connection), batch, position, self._capacity)

    def position(self, log: str, partition: int) -> int:
        query = "SELECT next_offset FROM positions WHERE log = ? AND partition = ?"
        with self._connections.read() as connection:
            row = connection.execute(query, (log, partition)).fetchone()
        return 0 if row is None else int(row[0])

    def entities(self, user: UserKey) -> list[EntityState]:
        return self.entity_page(user, None, _EVERYTHING)

    def entity_page(self, user: UserKey, after: EntityCursor | None, limit: int) -> list[EntityState]:
        with self._connections.read() as connection:
            return _page(connection, user, after, limit)

    def profile(self, user: UserKey) -> Profile:
        with self._connections.read() as connection:
            return _profile(connection, user)

    def forget_user(self, user: UserKey, at: datetime) -> dict[str, int]:
        with self._connections.write() as connection:
            erased = rules.forget_user(SqliteTransaction(connection), user, at)
        self._connections.truncate_wal()
        return erased

    def forget_entity(self, user: UserKey, entity_id: str, at: datetime) -> dict[str, int]:
        with self._connections.write() as connection:
            erased = rules.forget_entity(SqliteTransaction(connection), user, entity_id, at)
        self._connections.truncate_wal()
        return erased

    def forgotten(self, users: Collection[UserKey]) -> dict[UserKey, datetime]:
        with self._connections.read() as connection:
            rows = SqliteTransaction(connection)
            held = ((user, rows.tombstones(user).user) for user in users)
            return {user: until for user, until in held if until is not None}

    def restore(self, removals: Sequence[Removal], position: LogPosition) -> None:
        with self._connections.write() as connection:
            rules.restore(SqliteTransaction(connection), removals, position)
        self._connections.truncate_wal()

    def suppress(self, user: UserKey, fingerprints: Sequence[bytes], history_until: datetime | None = None) -> None:
        with self._connections.write() as connection:
            SqliteTransaction(connection).put_suppressions(user, fingerprints, history_until)

    def suppressed(self, user: UserKey) -> Suppressed:
        with self._connections.read() as connection:
            return SqliteTransaction(connection).suppressed(user)

    def remember_objects(self, tenant: str, objects: Mapping[str, Sequence[LinkedEntity]]) -> None:
        rows = [(tenant, object_id, _encode(linked)) for object_id, linked in objects.items()]
        with self._connections.write() as connection:
            connection.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", rows)

    def objects(self, tenant: str, object_ids: Sequence[str]) -> dict[str, list[LinkedEntity]]:
        query = "SELECT entities FROM objects WHERE tenant = ? AND object_id = ?"
        with self._connections.read() as connection:
            rows = [(object_id, connection.execute(query, (tenant, object_id)).fetchone()) for object_id in object_ids]
        return {object_id: _decode(row[0]) for object_id, row in rows if row is not None}

    def forget_objects(self, tenant: str, object_ids: Sequence[str]) -> int:
        keys = [(tenant, object_id) for object_id in object_ids]
        with self._connections.write() as connection:
            deleted = connection.executemany("DELETE FROM objects WHERE tenant = ? AND object_id = ?", keys).rowcount
        return max(deleted, 0)  # without keys SQLite counts -1

    def export(self, user: UserKey) -> Iterator[dict[str, Any]]:
        with self._connections.read() as connection:
            profile = _profile(connection, user)
            states = _page(connection, user, None, _EVERYTHING)
            rows = SqliteTransaction(connection)
            tombstones, suppressed = rows.tombstones(user), rows.suppressed(user)
        return export_records(user, profile, states, tombstones, suppressed)

    def close(self) -> None:
        self._connections.close()


def _page(connection: sqlite3.Connection, user: UserKey, after: EntityCursor | None, limit: int) -> list[EntityState]:
    behind = () if after is None else (after.rank, after.rank, after.entity_id)
    query = _STATES + (_BEHIND if behind else "") + _BY_RANK
    return list(to_states(connection.execute(query, (user.tenant, user.user, *behind, limit))))


def _profile(connection: sqlite3.Connection, user: UserKey) -> Profile:
    key = (user.tenant, user.user)
    forgotten_at = SqliteTransaction(connection).tombstones(user).user
    seen = "SELECT events, first_seen, last_seen FROM users WHERE tenant = ? AND user = ?"
    row = connection.execute(seen, key).fetchone()
    if row is None:
        return Profile(forgotten_at=forgotten_at)
    known = "SELECT count(*) FROM entities WHERE tenant = ? AND user = ?"
    entities = connection.execute(known, key).fetchone()[0]
    return Profile(row[0], entities, to_datetime(row[1]), to_datetime(row[2]), forgotten_at)


def _encode(linked: Sequence[LinkedEntity]) -> str:
    return json.dumps([[entity.entity_id, entity.salience] for entity in linked])


def _decode(text: str) -> list[LinkedEntity]:
    return [LinkedEntity(entity_id, salience) for entity_id, salience in json.loads(text)]
