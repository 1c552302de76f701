"""The store in one SQLite file: durable, for one machine; threads and processes may share it."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from attune.knowledge_store.codec import (
    decode,
    decode_suppressed,
    decode_view,
    decode_whole,
    encode,
    encode_digests,
)
from attune.knowledge_store.consent import Consents
from attune.knowledge_store.json_codec import (
    decode_companions,
    decode_consents,
    decode_linked,
    decode_summary,
    encode_companions,
    encode_consents,
    encode_linked,
    encode_summary,
)
from attune.knowledge_store.kept import KeptConsents, KeptObject, KeptSummary
from attune.knowledge_store.model import Companion, LinkedEntity, Summary, UserKey
from attune.knowledge_store.record import RecordView, UserRecord
from attune.knowledge_store.sql_rows import Found, SqlRows
from attune.knowledge_store.sqlite_connections import Connections
from attune.knowledge_store.store import DEFAULT_CAPACITY
from attune.knowledge_store.store_model import Suppressed
from attune.knowledge_store.store_rows import RowStore
from attune.knowledge_store.tombstones import Tombstones

_USERS_AT_ONCE = 500
_NO_TOMBSTONES = Tombstones()


class SqliteStore(RowStore):
    """Implements store.Store. Opens or creates the file; raises StoreError when it cannot be one."""

    def __init__(
        self,
        path: Path | str,
        *,
        capacity: int = DEFAULT_CAPACITY,
        consent_default: bool = True,
        busy_timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        super().__init__(capacity=capacity, consent_default=consent_default)
        self._connections = Connections(Path(path), busy_timeout)

    @contextmanager
    def _reading(self) -> Iterator["SqliteRows"]:
        with self._connections.read() as connection:
            yield SqliteRows(connection)

    @contextmanager
    def _writing(self) -> Iterator["SqliteRows"]:
        with self._connections.write() as connection:
            yield SqliteRows(connection)

    def _erased(self) -> None:
        self._connections.truncate_wal()

    def close(self) -> None:
        """As `Store.close`."""
        self._connections.close()


class SqliteRows(SqlRows):
    """Implements rows.Rows; the connection's owner begins and commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._executemany = connection.executemany

    def _run(self, statement: str, *values: object) -> Found:
        return self._execute(statement.replace("attune.", ""), values)

    def _stream(self, query: str) -> Iterable[Any]:
        return self._execute(query.replace("attune.", ""))

    def _stored(self, text: str) -> str:
        return text

    def _text(self, stored: str) -> str:
        return stored

    def record(self, user: UserKey) -> UserRecord | None:
        content = self._content(user)
        return None if content is None else decode(content)

    def view(self, user: UserKey) -> RecordView:
        content = self._content(user)
        return UserRecord() if content is None else decode_view(content)

    def suppressed(self, user: UserKey) -> Suppressed:
        content = self._content(user)
        return Suppressed() if content is None else decode_suppressed(content)

    def locked(self, users: Collection[UserKey]) -> dict[UserKey, UserRecord]:
        """The only writer has everything locked."""
        query = "SELECT record, digests FROM users WHERE tenant = ? AND user = ?"
        rows = [(user, self._execute(query, (user.tenant, user.user)).fetchone()) for user in users]
        return {user: decode_whole(*row) for user, row in rows if row is not None}

    def put(self, records: Mapping[UserKey, UserRecord]) -> None:
        self.put_encoded((user, encode(record), encode_digests(record)) for user, record in records.items())

    def put_encoded(self, users: Iterable[tuple[UserKey, bytes, bytes]]) -> None:
        self._executemany(
            "INSERT INTO users (tenant, user, record, digests) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET record = excluded.record, digests = excluded.digests",
            ((user.tenant, user.user, content, digests) for user, content, digests in users),
        )

    def delete(self, users: Collection[UserKey]) -> None:
        names = ((user.tenant, user.user) for user in users)
        self._executemany("DELETE FROM users WHERE tenant = ? AND user = ?", names)

    def tombstones_of(self, users: Collection[UserKey]) -> dict[UserKey, Tombstones]:
        query = "SELECT user_digest, entity_id, forgotten_at FROM tombstones WHERE user_digest IN"
        held: dict[UserKey, list[tuple[str, int]]] = {}
        for user, entity_id, at in self._of_users(query, users):
            held.setdefault(user, []).append((entity_id, at))
        return {user: self._tombstones(held[user]) if user in held else _NO_TOMBSTONES for user in users}

    def consents(self, users: Collection[UserKey]) -> dict[UserKey, Consents]:
        found = self._of_users("SELECT user_digest, choices FROM consents WHERE user_digest IN", users)
        return {user: decode_consents(choices) for user, choices in found}

    def _of_users(self, query: str, users: Collection[UserKey]) -> Iterator[tuple[Any, ...]]:
        """Rows of users by their digests, with the user in the digest's place; a few hundred users in a statement."""
        by_digest = {user.digest: user for user in users}
        digests = list(by_digest)
        for at in range(0, len(digests), _USERS_AT_ONCE):
            some = digests[at : at + _USERS_AT_ONCE]
            for digest, *rest in self._execute(f"{query} ({', '.join('?' * len(some))})", some):
                yield (by_digest[digest], *rest)

    def put_consents(self, consents: KeptConsents) -> None:
        row = (consents.user_digest, encode_consents(consents.consents))
        self._execute("INSERT OR REPLACE INTO consents VALUES (?, ?)", row)

    def summary(self, user: UserKey) -> Summary | None:
        query = "SELECT summary FROM summaries WHERE tenant = ? AND user = ?"
        row = self._execute(query, (user.tenant, user.user)).fetchone()
        return None if row is None else decode_summary(row[0])

    def put_summary(self, summary: KeptSummary) -> None:
        row = (summary.user.tenant, summary.user.user, encode_summary(summary.summary))
        self._execute("INSERT OR REPLACE INTO summaries VALUES (?, ?, ?)", row)

    def delete_summary(self, user: UserKey) -> int:
        query = "DELETE FROM summaries WHERE tenant = ? AND user = ?"
        return self._execute(query, (user.tenant, user.user)).rowcount

    def replace_companions(self, tenant: str, companions: Mapping[str, Sequence[Companion]]) -> None:
        self._execute("DELETE FROM companions WHERE tenant = ?", (tenant,))
        rows = ((tenant, entity_id, encode_companions(each)) for entity_id, each in companions.items())
        self._executemany("INSERT INTO companions VALUES (?, ?, ?)", rows)

    def retain_companions(self, tenants: Collection[str]) -> None:
        held = self._execute("SELECT DISTINCT tenant FROM companions").fetchall()
        gone = [row for row in held if row[0] not in tenants]
        self._executemany("DELETE FROM companions WHERE tenant = ?", gone)

    def companions(self, tenant: str, entity_ids: Collection[str]) -> dict[str, list[Companion]]:
        several = ", ".join("?" * len(entity_ids))
        query = f"SELECT entity_id, companions FROM companions WHERE tenant = ? AND entity_id IN ({several})"  # noqa: S608
        found = self._execute(query, (tenant, *entity_ids))
        return {entity_id: decode_companions(each) for entity_id, each in found}

    def put_objects(self, tenant: str, objects: Mapping[str, Sequence[LinkedEntity]]) -> None:
        rows = [(tenant, object_id, encode_linked(linked)) for object_id, linked in objects.items()]
        self._executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", rows)

    def objects(self, tenant: str, object_ids: Sequence[str]) -> dict[str, list[LinkedEntity]]:
        query = "SELECT entities FROM objects WHERE tenant = ? AND object_id = ?"
        rows = [(object_id, self._execute(query, (tenant, object_id)).fetchone()) for object_id in object_ids]
        return {object_id: decode_linked(row[0]) for object_id, row in rows if row is not None}

    def delete_objects(self, tenant: str, object_ids: Sequence[str]) -> int:
        keys = [(tenant, object_id) for object_id in object_ids]
        deleted = self._executemany("DELETE FROM objects WHERE tenant = ? AND object_id = ?", keys).rowcount
        return max(deleted, 0)  # without keys SQLite counts -1

    def _content(self, user: UserKey) -> bytes | None:
        query = "SELECT record FROM users WHERE tenant = ? AND user = ?"
        row = self._execute(query, (user.tenant, user.user)).fetchone()
        return None if row is None else bytes(row[0])

    def users(self) -> Iterator[tuple[UserKey, UserRecord]]:
        query = "SELECT tenant, user, record, digests FROM users ORDER BY tenant, user"
        for tenant, user, content, digests in self._execute(query):
            yield UserKey(tenant, user), decode_whole(content, digests)

    def every_consents(self) -> Iterator[KeptConsents]:
        for digest, choices in self._execute("SELECT user_digest, choices FROM consents ORDER BY user_digest"):
            yield KeptConsents(digest, decode_consents(choices))

    def every_summary(self) -> Iterator[KeptSummary]:
        query = "SELECT tenant, user, summary FROM summaries ORDER BY tenant, user"
        for tenant, user, summary in self._execute(query):
            yield KeptSummary(UserKey(tenant, user), decode_summary(summary))

    def every_object(self) -> Iterator[KeptObject]:
        query = "SELECT tenant, object_id, entities FROM objects ORDER BY tenant, object_id"
        for tenant, object_id, entities in self._execute(query):
            yield KeptObject(tenant, object_id, tuple(decode_linked(entities)))

    def is_empty(self) -> bool:
        """The only writer has everything locked."""
        tables = ("users", "tombstones", "consents", "summaries", "companions", "positions", "objects")
        found = (self._execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone() for table in tables)  # noqa: S608
        return not any(row[0] for row in found)

    def size(self) -> int | None:
        """Of the file, once the write-ahead log is moved into it."""
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        return int(self._execute(query).fetchone()[0])
