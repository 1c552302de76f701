"""A transaction on a SQLite connection: a statement or two per operation, however many rows a user has."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from attune.knowledge_store.model import EntityState, LogPosition, UserKey
from attune.knowledge_store.privacy import decode_counts, encode_counts
from attune.knowledge_store.store import Projected, Suppressed
from attune.knowledge_store.transaction import Tombstones

STATE_COLUMNS = "entity_id, counts, first_seen, last_seen, weight"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WHOLE_HISTORY = b""  # in place of a fingerprint in suppressions: those of texts have 32 bytes
_WHOLE_USER = ""  # in place of an entity id in tombstones: observations always have an id


class SqliteTransaction:
    """Implements transaction.Transaction; the connection's owner begins and commits. Readers use its reading half."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    def tombstones(self, user: UserKey) -> Tombstones:
        query = "SELECT entity_id, forgotten_at FROM tombstones WHERE user_digest = ?"
        held = {entity_id: to_datetime(at) for entity_id, at in self._execute(query, (_user_digest(user),))}
        return Tombstones(held.pop(_WHOLE_USER, None), held)

    def put_tombstone(self, user: UserKey, entity_id: str | None, at: datetime) -> None:
        self._execute(
            "INSERT INTO tombstones VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET forgotten_at = max(forgotten_at, excluded.forgotten_at)",
            (_user_digest(user), _WHOLE_USER if entity_id is None else entity_id, to_microseconds(at)),
        )

    def drop_entity_tombstones(self, user: UserKey, until: datetime) -> int:
        return self._execute(
            "DELETE FROM tombstones WHERE user_digest = ? AND entity_id != ? AND forgotten_at <= ?",
            (_user_digest(user), _WHOLE_USER, to_microseconds(until)),
        ).rowcount

    def record_event(self, event: Projected) -> bool:
        tenant, user = event.user.tenant, event.user.user
        occurred, epoch = to_microseconds(event.occurred_at), to_microseconds(event.epoch)
        insert = "INSERT OR IGNORE INTO events VALUES (?, ?, ?)"
        if not self._execute(insert, (tenant, user, event.digest)).rowcount:
            newer = "UPDATE users SET newest_epoch = ? WHERE tenant = ? AND user = ? AND newest_epoch < ?"
            self._execute(newer, (epoch, tenant, user, epoch))
            return False
        self._execute(
            "INSERT INTO users VALUES (?, ?, 1, ?, ?, ?) ON CONFLICT DO UPDATE SET events = events + 1,"
            " first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen),"
            " newest_epoch = max(newest_epoch, excluded.newest_epoch)",
            (tenant, user, occurred, occurred, epoch),
        )
        return True

    def newest_epoch(self, user: UserKey) -> datetime | None:
        query = "SELECT newest_epoch FROM users WHERE tenant = ? AND user = ?"
        row = self._execute(query, (user.tenant, user.user)).fetchone()
        return None if row is None else to_datetime(row[0])

    def state(self, user: UserKey, entity_id: str) -> EntityState | None:
        query = f"SELECT {STATE_COLUMNS} FROM entities WHERE tenant = ? AND user = ? AND entity_id = ?"  # noqa: S608 - a constant
        return next(to_states(self._execute(query, (user.tenant, user.user, entity_id))), None)

    def put_state(self, user: UserKey, state: EntityState) -> None:
        counts = json.dumps(encode_counts(state), separators=(",", ":"))
        first_seen, last_seen = to_microseconds(state.first_seen), to_microseconds(state.last_seen)
        self._execute(
            "INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (user.tenant, user.user, state.entity_id, counts, first_seen, last_seen, state.weight, state.rank),
        )

    def evict(self, user: UserKey, capacity: int) -> None:
        self._execute(
            "DELETE FROM entities WHERE tenant = :tenant AND user = :user AND entity_id IN ("
            " SELECT entity_id FROM entities WHERE tenant = :tenant AND user = :user"
            " ORDER BY rank DESC, entity_id LIMIT -1 OFFSET :capacity)",
            {"tenant": user.tenant, "user": user.user, "capacity": capacity},
        )

    def erase_user(self, user: UserKey) -> dict[str, int]:
        key = (user.tenant, user.user)
        return {
            "entities": self._execute("DELETE FROM entities WHERE tenant = ? AND user = ?", key).rowcount,
            "events": self._execute("DELETE FROM events WHERE tenant = ? AND user = ?", key).rowcount,
            "profiles": self._execute("DELETE FROM users WHERE tenant = ? AND user = ?", key).rowcount,
            "suppressions": self._execute("DELETE FROM suppressions WHERE tenant = ? AND user = ?", key).rowcount,
        }

    def erase_entity(self, user: UserKey, entity_id: str) -> int:
        statement = "DELETE FROM entities WHERE tenant = ? AND user = ? AND entity_id = ?"
        return self._execute(statement, (user.tenant, user.user, entity_id)).rowcount

    def put_suppressions(self, user: UserKey, fingerprints: Sequence[bytes], history_until: datetime | None) -> None:
        rows = [(fingerprint, 0) for fingerprint in fingerprints]
        if history_until is not None:
            rows.append((_WHOLE_HISTORY, to_microseconds(history_until)))
        for fingerprint, until in rows:
            self._execute(
                "INSERT INTO suppressions VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET history_until = max(history_until, excluded.history_until)",
                (user.tenant, user.user, fingerprint, until),
            )

    def suppressed(self, user: UserKey) -> Suppressed:
        query = "SELECT fingerprint, history_until FROM suppressions WHERE tenant = ? AND user = ? ORDER BY fingerprint"
        held = dict(self._execute(query, (user.tenant, user.user)))
        until = held.pop(_WHOLE_HISTORY, None)
        return Suppressed(tuple(held), None if until is None else to_datetime(until))

    def advance(self, position: LogPosition) -> None:
        self._execute(
            "INSERT INTO positions VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET next_offset = max(next_offset, excluded.next_offset)",
            (position.log, position.partition, position.next_offset),
        )


def to_states(rows: Iterable[tuple[str, str, int, int, float]]) -> Iterator[EntityState]:
    """Rows of STATE_COLUMNS as states, lazily."""
    return (
        EntityState(entity_id, decode_counts(json.loads(counts)), to_datetime(first), to_datetime(last), weight)
        for entity_id, counts, first, last, weight in rows
    )


def to_microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND


def _user_digest(user: UserKey) -> bytes:
    """A tombstone outlives the user's name: 16 bytes that recognise it. The length tells "a", "bc" from "ab", "c"."""
    tenant = user.tenant.encode()
    return blake2b(len(tenant).to_bytes(4, "big") + tenant + user.user.encode(), digest_size=16).digest()
