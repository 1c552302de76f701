"""The shadow of a store in SQLite: a file beside the live one, whose rows are moved into it.

The live file stays, for other processes have it open. One transaction takes over what differs: after kill -9 at any
moment, the live file holds all of the one store or all of the other. Readers go on with what there was when they began;
writers wait until all is moved.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from attune.knowledge_store.codec import to_datetime
from attune.knowledge_store.json_codec import decode_summary
from attune.knowledge_store.kept import KeptSummary, KeptTombstone
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.shadow import ShadowInUseError, Step, carry_summaries
from attune.knowledge_store.store import StoreBusyError, StoreError
from attune.knowledge_store.store_sqlite import SqliteStore

_BUSY_TIMEOUT = timedelta(seconds=10)
_LATER_TOMBSTONES = (
    "SELECT l.user_digest, l.entity_id, l.forgotten_at FROM main.tombstones l LEFT JOIN shadow.tombstones s"
    " USING (user_digest, entity_id) WHERE s.forgotten_at IS NULL OR s.forgotten_at < l.forgotten_at"
)
_CHANGED_SUMMARIES = (
    "SELECT l.tenant, l.user, l.summary FROM main.summaries l LEFT JOIN shadow.summaries s USING (tenant, user)"
    " WHERE s.summary IS NOT l.summary"
)
_MOVED = {
    "users": (("tenant", "user"), ("record", "digests")),
    "tombstones": (("user_digest", "entity_id"), ("forgotten_at",)),
    "consents": (("user_digest",), ("choices",)),
    "summaries": (("tenant", "user"), ("summary",)),
    "positions": (("log", "partition"), ("next_offset",)),
    "objects": (("tenant", "object_id"), ("entities",)),
}
"""The key and the rest of each table. Companions stay, and are counted anew by their own command."""


class SqliteShadow:
    """Implements shadow.Shadow, of the live store in the file `path`, which must be there."""

    def __init__(self, path: Path, *, capacity: int, consent_default: bool) -> None:
        self._path = path
        self._file = path.with_name(f"{path.name}.shadow")
        self._lock = _locked(path.with_name(f"{path.name}.shadow-lock"))
        try:
            self.had_leftover = self._file.exists()
            self._remove()
            self.store = SqliteStore(self._file, capacity=capacity, consent_default=consent_default)
        except BaseException:
            os.close(self._lock)
            raise

    def swap(self, state: Step, events: Step, summaries_since: datetime | None) -> None:
        """See Shadow.swap."""
        with self._translated(), closing(self._together()) as connection:
            connection.execute("BEGIN")
            try:
                connection.execute("DELETE FROM main.claims")  # locks the live file, and not the shadow
                state()
                self.store.carry_tombstones(self._later_tombstones())
                events()
                if summaries_since is not None:
                    carry_summaries(self._changed_summaries(), self.store, summaries_since)
                for table, (key, rest) in _MOVED.items():
                    _move(connection, table, key, rest)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            _empty_log(connection)

    def close(self) -> None:
        """See Shadow.close."""
        self.store.close()
        try:
            self._remove()
        finally:
            os.close(self._lock)

    def _later_tombstones(self) -> Iterator[KeptTombstone]:
        with closing(self._together()) as connection:
            for digest, entity_id, at in connection.execute(_LATER_TOMBSTONES).fetchall():
                yield KeptTombstone(digest, entity_id or None, to_datetime(at))

    def _changed_summaries(self) -> Iterator[KeptSummary]:
        """By a connection of its own: the one that swaps must not look at the shadow before it is complete."""
        with closing(self._together()) as connection:
            for tenant, user, summary in connection.execute(_CHANGED_SUMMARIES):
                yield KeptSummary(UserKey(tenant, user), decode_summary(summary))

    def _together(self) -> sqlite3.Connection:
        """The live file as `main`, the shadow as `shadow`."""
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=_BUSY_TIMEOUT.total_seconds(),
            isolation_level=None,
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("ATTACH ? AS shadow", (f"{self._file.absolute().as_uri()}?mode=rw",))
        except BaseException:
            connection.close()
            raise
        return connection

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise StoreBusyError(f"{self._path} was locked by another writer: try again") from error
            raise StoreError(
                f"{self._path}: SQLite says {error}: check the file, its permissions and the disk"
            ) from error


def _move(connection: sqlite3.Connection, table: str, key: tuple[str, ...], rest: tuple[str, ...]) -> None:
    """Makes a table of the live file equal to the shadow's. Rows that are equal already are not written."""
    same = " AND ".join(f"s.{column} = {table}.{column}" for column in key)
    connection.execute(
        f"DELETE FROM main.{table} WHERE NOT EXISTS (SELECT 1 FROM shadow.{table} s WHERE {same})"  # noqa: S608 - constants
    )
    columns = ", ".join((*key, *rest))
    changes = ", ".join(f"{column} = excluded.{column}" for column in rest)
    differs = " OR ".join(f"excluded.{column} != {table}.{column}" for column in rest)
    connection.execute(
        f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM shadow.{table} WHERE true"  # noqa: S608 - constants
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes} WHERE {differs}"
    )


def _empty_log(connection: sqlite3.Connection) -> None:
    """Nothing that was erased is to linger there. While somebody reads it cannot be, and nobody is waited for: the next
    process that erases something does it.
    """
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA main.wal_checkpoint(TRUNCATE)")


def _locked(path: Path) -> int:
    """The descriptor of a file that is this process's until it is closed."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}): see to its directory") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ShadowInUseError from error
    return descriptor
