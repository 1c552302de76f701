"""The shadow of a store in PostgreSQL: a schema beside `attune`, which takes its name.

Every transaction that reads or writes begins with a look at `attune.version` and holds a lock on it to its end. Who
holds that table exclusively has waited for all of them, and all who come wait before they have looked at anything.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from attune.knowledge_store.codec import to_datetime
from attune.knowledge_store.json_codec import decode_summary
from attune.knowledge_store.kept import KeptSummary, KeptTombstone
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.postgres_schema import TABLES
from attune.knowledge_store.postgres_shadow import SHADOW
from attune.knowledge_store.shadow import ShadowInUseError, Step, carry_summaries
from attune.knowledge_store.store import StoreBusyError, StoreError
from attune.knowledge_store.store_postgres import PostgresStore

_BUILDING = 0x61747476  # held by whoever builds a shadow in the database
_LOCK_TIMEOUT_MS = 2000
"""Behind who waits for the live store, everybody waits: after so long they go on, and the swap is tried again."""
_LATER_TOMBSTONES: LiteralString = (
    "SELECT l.user_digest, l.entity_id, l.forgotten_at FROM attune.tombstones l LEFT JOIN attune_shadow.tombstones s"
    " USING (user_digest, entity_id) WHERE s.forgotten_at IS NULL OR s.forgotten_at < l.forgotten_at"
)
_CHANGED_SUMMARIES: LiteralString = (
    'SELECT l.tenant, l."user", l.summary FROM attune.summaries l LEFT JOIN attune_shadow.summaries s USING (digest)'
    " WHERE s.summary IS DISTINCT FROM l.summary"
)
_RENAME: LiteralString = """
DROP TABLE attune_shadow.companions;
ALTER TABLE attune.companions SET SCHEMA attune_shadow;
DROP SCHEMA attune CASCADE;
ALTER SCHEMA attune_shadow RENAME TO attune;
"""


class PostgresShadow:
    """Implements shadow.Shadow, in the database of the live store."""

    def __init__(self, url: str, *, capacity: int, consent_default: bool) -> None:
        with _translated():
            self._connection = psycopg.connect(url, autocommit=True, application_name="attune/replay")
        try:
            with _translated():
                self._require_alone()
                self.had_leftover = self._one("SELECT to_regnamespace(%s) IS NOT NULL", SHADOW) == (True,)
                self._drop()
            self.store = PostgresStore(url, capacity=capacity, consent_default=consent_default, is_shadow=True)
        except BaseException:
            self._connection.close()
            raise

    def swap(self, state: Step, events: Step, summaries_since: datetime | None) -> None:
        """See Shadow.swap."""
        with _translated(), self._connection.transaction():
            self._connection.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
            for table in ("version", "claims", *TABLES):  # the first one stops new transactions
                self._connection.execute(f"LOCK TABLE attune.{table} IN ACCESS EXCLUSIVE MODE")
            state()
            self.store.carry_tombstones(self._later_tombstones())
            events()
            if summaries_since is not None:
                carry_summaries(self._changed_summaries(), self.store, summaries_since)
            self._connection.execute(_RENAME)

    def close(self) -> None:
        """See Shadow.close."""
        self.store.close()
        try:
            with _translated():
                self._drop()
                self._one("SELECT pg_advisory_unlock(%s)", _BUILDING)  # a connection ends when the server notices
        finally:
            self._connection.close()

    def _later_tombstones(self) -> Iterator[KeptTombstone]:
        for digest, entity_id, at in self._connection.execute(_LATER_TOMBSTONES).fetchall():
            yield KeptTombstone(digest, entity_id.decode() or None, to_datetime(at))

    def _changed_summaries(self) -> Iterator[KeptSummary]:
        for tenant, user, summary in self._connection.execute(_CHANGED_SUMMARIES).fetchall():
            yield KeptSummary(UserKey(tenant.decode(), user.decode()), decode_summary(summary.decode()))

    def _require_alone(self) -> None:
        if self._one("SELECT pg_try_advisory_lock(%s)", _BUILDING) != (True,):
            raise ShadowInUseError

    def _drop(self) -> None:
        self._connection.execute(f"DROP SCHEMA IF EXISTS {SHADOW} CASCADE")

    def _one(self, query: LiteralString, value: object) -> tuple[Any, ...] | None:
        return self._connection.execute(query, (value,)).fetchone()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise StoreBusyError(
            "a transaction in PostgreSQL does not let go of the store: wait for backups, audits and the like to end"
        ) from error
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise StoreError(f"PostgreSQL says {said}: check the database and its permissions") from error
