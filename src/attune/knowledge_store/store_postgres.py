"""The store in a PostgreSQL database: for several machines; services and consumers share it.

Transactions that write lock the users that they touch, in one order for all, and nothing else: consumers of different
partitions do not wait for each other, and none can block another for good. Readers see a snapshot and wait for nobody;
a question of one statement is one round trip.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from hashlib import blake2b
from itertools import count
from typing import Any, LiteralString, TypeVar

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
from attune.knowledge_store.postgres_connections import Connections
from attune.knowledge_store.postgres_migrations import Connection
from attune.knowledge_store.postgres_schema import TABLES
from attune.knowledge_store.record import RecordView, UserRecord
from attune.knowledge_store.sql_rows import Found, SqlRows
from attune.knowledge_store.store import DEFAULT_CAPACITY
from attune.knowledge_store.store_model import Suppressed
from attune.knowledge_store.store_rows import RowStore
from attune.knowledge_store.tombstones import Tombstones

_CONNECTIONS = 8
_Found = TypeVar("_Found")


class PostgresStore(RowStore):
    """Implements store.Store. Opens a database, makes what is missing in it; raises StoreError where it cannot.

    `busy_timeout` is how long a transaction waits for another, or for a connection. A shadow is a store in a schema of
    its own, beside the one in use.
    """

    def __init__(
        self,
        url: str,
        *,
        capacity: int = DEFAULT_CAPACITY,
        consent_default: bool = True,
        busy_timeout: timedelta = timedelta(seconds=10),
        connections: int = _CONNECTIONS,
        is_shadow: bool = False,
    ) -> None:
        super().__init__(capacity=capacity, consent_default=consent_default)
        self._connections = Connections(url, busy_timeout, connections, is_shadow=is_shadow)

    @contextmanager
    def _reading(self) -> Iterator["PostgresRows"]:
        with self._connections.read() as connection:
            yield PostgresRows(connection)

    @contextmanager
    def _writing(self) -> Iterator["PostgresRows"]:
        with self._connections.write() as connection:
            yield PostgresRows(connection)

    def _asked(self, question: Callable[["PostgresRows"], _Found]) -> _Found:
        return self._connections.ask(lambda connection: question(PostgresRows(connection)))

    def close(self) -> None:
        """As `Store.close`."""
        self._connections.close()


class PostgresRows(SqlRows):
    """Implements rows.Rows; the connection's owner begins and commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._streams = count()

    def _run(self, statement: str, *values: object) -> Found:
        return self._execute(statement.replace("?", "%s"), values)

    def _stream(self, query: str) -> Iterator[Any]:
        with self._connection.cursor(name=f"stream_{next(self._streams)}") as cursor:
            yield from cursor.execute(query)

    def _executemany(self, statement: LiteralString, rows: Iterable[tuple[bytes, ...]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(statement, rows)

    def _stored(self, text: str) -> bytes:
        return text.encode()

    def _text(self, stored: bytes) -> str:
        return stored.decode()

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
        """Locks are of names, not rows: a user who has no row yet is locked as well."""
        by_digest = {user.digest: user for user in users}
        locks = sorted(map(_lock_of, by_digest))
        self._execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", (locks,))
        query = "SELECT digest, record, digests FROM attune.users WHERE digest = ANY(%s)"
        found = self._execute(query, (list(by_digest),))
        return {by_digest[digest]: decode_whole(content, digests) for digest, content, digests in found}

    def put(self, records: Mapping[UserKey, UserRecord]) -> None:
        self.put_encoded((user, encode(record), encode_digests(record)) for user, record in records.items())

    def put_encoded(self, users: Iterable[tuple[UserKey, bytes, bytes]]) -> None:
        self._executemany(
            'INSERT INTO attune.users (digest, tenant, "user", record, digests) VALUES (%s, %s, %s, %s, %s)'
            " ON CONFLICT (digest) DO UPDATE SET record = excluded.record, digests = excluded.digests",
            (
                (user.digest, user.tenant.encode(), user.user.encode(), content, digests)
                for user, content, digests in users
            ),
        )

    def delete(self, users: Collection[UserKey]) -> None:
        self._execute("DELETE FROM attune.users WHERE digest = ANY(%s)", ([user.digest for user in users],))

    def tombstones_of(self, users: Collection[UserKey]) -> dict[UserKey, Tombstones]:
        by_digest = {user.digest: user for user in users}
        query = "SELECT user_digest, entity_id, forgotten_at FROM attune.tombstones WHERE user_digest = ANY(%s)"
        held: dict[UserKey, list[tuple[bytes, int]]] = {user: [] for user in users}
        for digest, entity_id, at in self._execute(query, (list(by_digest),)):
            held[by_digest[digest]].append((entity_id, at))
        return {user: self._tombstones(rows) for user, rows in held.items()}

    def consents(self, users: Collection[UserKey]) -> dict[UserKey, Consents]:
        by_digest = {user.digest: user for user in users}
        query = "SELECT user_digest, choices FROM attune.consents WHERE user_digest = ANY(%s)"
        found = self._execute(query, (list(by_digest),))
        return {by_digest[digest]: decode_consents(choices.decode()) for digest, choices in found}

    def put_consents(self, consents: KeptConsents) -> None:
        self._execute(
            "INSERT INTO attune.consents VALUES (%s, %s) ON CONFLICT (user_digest)"
            " DO UPDATE SET choices = excluded.choices",
            (consents.user_digest, encode_consents(consents.consents).encode()),
        )

    def summary(self, user: UserKey) -> Summary | None:
        row = self._execute("SELECT summary FROM attune.summaries WHERE digest = %s", (user.digest,)).fetchone()
        return None if row is None else decode_summary(row[0].decode())

    def put_summary(self, summary: KeptSummary) -> None:
        user = summary.user
        self._execute(
            "INSERT INTO attune.summaries VALUES (%s, %s, %s, %s) ON CONFLICT (digest)"
            " DO UPDATE SET summary = excluded.summary",
            (user.digest, user.tenant.encode(), user.user.encode(), encode_summary(summary.summary).encode()),
        )

    def delete_summary(self, user: UserKey) -> int:
        return self._execute("DELETE FROM attune.summaries WHERE digest = %s", (user.digest,)).rowcount

    def replace_companions(self, tenant: str, companions: Mapping[str, Sequence[Companion]]) -> None:
        """Whoever else replaces the tenant's waits; readers see the old ones to the end."""
        self._execute("SELECT pg_advisory_xact_lock(%s)", (_lock_of(_digest(tenant, "")),))
        self._execute("DELETE FROM attune.companions WHERE tenant = %s", (tenant.encode(),))
        rows = (
            (tenant.encode(), entity_id.encode(), encode_companions(each).encode())
            for entity_id, each in companions.items()
        )
        self._executemany("INSERT INTO attune.companions VALUES (%s, %s, %s)", rows)

    def retain_companions(self, tenants: Collection[str]) -> None:
        kept = [tenant.encode() for tenant in tenants]
        self._execute("DELETE FROM attune.companions WHERE NOT tenant = ANY(%s)", (kept,))

    def companions(self, tenant: str, entity_ids: Collection[str]) -> dict[str, list[Companion]]:
        query = "SELECT entity_id, companions FROM attune.companions WHERE tenant = %s AND entity_id = ANY(%s)"
        rows = self._execute(query, (tenant.encode(), [entity_id.encode() for entity_id in entity_ids]), binary=True)
        return {entity_id.decode(): decode_companions(each.decode()) for entity_id, each in rows}

    def put_objects(self, tenant: str, objects: Mapping[str, Sequence[LinkedEntity]]) -> None:
        rows = [
            (_digest(tenant, object_id), tenant.encode(), object_id.encode(), encode_linked(linked).encode())
            for object_id, linked in objects.items()
        ]
        self._executemany(
            "INSERT INTO attune.objects VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (digest) DO UPDATE SET entities = excluded.entities",
            sorted(rows),  # in one order for all, so that two who index the same documents do not block each other
        )

    def objects(self, tenant: str, object_ids: Sequence[str]) -> dict[str, list[LinkedEntity]]:
        by_digest = {_digest(tenant, object_id): object_id for object_id in object_ids}
        query = "SELECT digest, entities FROM attune.objects WHERE digest = ANY(%s)"
        rows: dict[bytes, bytes] = dict(self._execute(query, (list(by_digest),)).fetchall())
        return {each: decode_linked(rows[digest].decode()) for digest, each in by_digest.items() if digest in rows}

    def delete_objects(self, tenant: str, object_ids: Sequence[str]) -> int:
        digests = [_digest(tenant, object_id) for object_id in object_ids]
        return self._execute("DELETE FROM attune.objects WHERE digest = ANY(%s)", (digests,)).rowcount

    def _content(self, user: UserKey) -> bytes | None:
        query = "SELECT record FROM attune.users WHERE digest = %s"
        row = self._execute(query, (user.digest,), binary=True).fetchone()
        return None if row is None else bytes(row[0])

    def users(self) -> Iterator[tuple[UserKey, UserRecord]]:
        query = 'SELECT tenant, "user", record, digests FROM attune.users ORDER BY tenant, "user"'
        for tenant, user, content, digests in self._stream(query):
            yield UserKey(tenant.decode(), user.decode()), decode_whole(content, digests)

    def every_consents(self) -> Iterator[KeptConsents]:
        for digest, choices in self._stream("SELECT user_digest, choices FROM attune.consents ORDER BY user_digest"):
            yield KeptConsents(digest, decode_consents(choices.decode()))

    def every_summary(self) -> Iterator[KeptSummary]:
        query = 'SELECT tenant, "user", summary FROM attune.summaries ORDER BY tenant, "user"'
        for tenant, user, summary in self._stream(query):
            yield KeptSummary(UserKey(tenant.decode(), user.decode()), decode_summary(summary.decode()))

    def every_object(self) -> Iterator[KeptObject]:
        query = "SELECT tenant, object_id, entities FROM attune.objects ORDER BY tenant, object_id"
        for tenant, object_id, entities in self._stream(query):
            yield KeptObject(tenant.decode(), object_id.decode(), tuple(decode_linked(entities.decode())))

    def is_empty(self) -> bool:
        """Waits for whoever has read a user and may be about to write it; until the end they wait for this."""
        names = [f"attune.{table}" for table in TABLES]
        self._execute(f"LOCK TABLE {', '.join(names)}")
        row = self._execute(f"SELECT {' OR '.join(f'EXISTS (SELECT 1 FROM {each})' for each in names)}").fetchone()  # noqa: S608
        return row == (False,)

    def size(self) -> int | None:
        """With indexes and with what updates have left behind and no vacuum has reused."""
        row = self._execute(
            "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'attune'::regnamespace"
        ).fetchone()
        return None if row is None else int(row[0])


def _digest(tenant: str, object_id: str) -> bytes:
    """Object ids may be longer than what an index takes. The length tells "a", "bc" from "ab", "c"."""
    name = tenant.encode()
    return blake2b(len(name).to_bytes(4, "big") + name + object_id.encode(), digest_size=16).digest()


def _lock_of(digest: bytes) -> int:
    """The number that stands for it among advisory locks."""
    return int.from_bytes(digest[:8], "big", signed=True)
