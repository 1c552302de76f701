"""Connections to one SQLite file: a single writer, and as many readers as threads ask for at a time.

WAL lets readers go on while the writer writes; synchronous=FULL syncs the log at every commit, so what was committed
survives a kill and a power cut; secure_delete overwrites what was erased.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Lock

from attune.knowledge_store.sqlite_schema import create, prepare, require_known
from attune.knowledge_store.store import StoreBusyError, StoreError

_log = logging.getLogger(__name__)
_IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PRIMARY = 0xFF  # an error code without what it says more exactly


class Connections:
    """All methods may be called from any thread, and other processes may have the same file open."""

    def __init__(self, path: Path, busy_timeout: timedelta) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._writing = Lock()
        self._pool = Lock()
        self._idle_readers: list[sqlite3.Connection] = []
        self._is_closed = False
        self._owes_truncation = False
        with self._translated():
            create(path)
            self._writer = self._connect()
            try:
                prepare(self._writer, path)
            except BaseException:
                self._writer.close()
                raise

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        with self._writing, self._translated():
            self._require_open()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                require_known(self._writer, self._path)
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            self._try_again_to_truncate()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One snapshot: nothing that is committed meanwhile is seen in the block."""
        with self._translated():
            connection = self._borrow_reader()
            connection.execute("BEGIN")
            try:
                require_known(connection, self._path)
                yield connection
            finally:
                connection.execute("ROLLBACK")
                self._return_reader(connection)
                self._reader_finished()

    def truncate_wal(self) -> None:
        """Moves the write-ahead log into the file and empties it, so that nothing erased lingers there.

        Waits for nobody. While somebody reads it cannot be, and is done with the next transaction after, or when the
        last reader of this process has finished. Raises StoreError where the disk does not let it be; it is tried again
        all the same.
        """
        with self._writing, self._translated():
            self._require_open()
            self._owes_truncation = True
            self._truncate_if_owed()

    def close(self) -> None:
        """Waits for the writer; readers still at work close when they are done."""
        with self._writing, self._pool:
            if not self._is_closed:
                self._is_closed = True
                for connection in (*self._idle_readers, self._writer):
                    connection.close()

    def _truncate_if_owed(self) -> None:
        """The caller is the only writer, outside of a transaction."""
        if not self._owes_truncation:
            return
        self._writer.execute("PRAGMA busy_timeout = 0")
        try:
            is_busy = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self._owes_truncation = bool(is_busy)
        except sqlite3.OperationalError as error:
            if not _is_in_use(error):
                raise
        finally:
            self._writer.execute(f"PRAGMA busy_timeout = {int(1000 * self._busy_timeout.total_seconds())}")

    def _try_again_to_truncate(self) -> None:
        """On behalf of who erased: what the caller did is done, and does not fail with this."""
        try:
            self._truncate_if_owed()
        except sqlite3.Error as error:
            _log.warning("%s: what was erased is still in the write-ahead log: SQLite says %s", self._path, error)

    def _reader_finished(self) -> None:
        """Without waiting: who writes at this moment does it afterwards."""
        if self._owes_truncation and self._writing.acquire(blocking=False):
            try:
                if not self._is_closed:
                    self._try_again_to_truncate()
            finally:
                self._writing.release()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=rw",  # never makes a file
            uri=True,
            timeout=self._busy_timeout.total_seconds(),
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    def _borrow_reader(self) -> sqlite3.Connection:
        with self._pool:
            self._require_open()
            if self._idle_readers:
                return self._idle_readers.pop()
        return self._connect()

    def _return_reader(self, connection: sqlite3.Connection) -> None:
        with self._pool:
            if not self._is_closed:
                self._idle_readers.append(connection)
                return
        connection.close()

    def _require_open(self) -> None:
        if self._is_closed:
            raise StoreError(f"the store {self._path} is closed: open it again")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if _is_in_use(error):
                seconds = self._busy_timeout.total_seconds()
                raise StoreBusyError(
                    f"{self._path} was locked by another writer for {seconds:g} s: try again"
                ) from error
            raise StoreError(
                f"{self._path}: SQLite says {error}: check the file, its permissions and the disk"
            ) from error


def _is_in_use(error: sqlite3.Error) -> bool:
    """Whether another connection is in the way, so that the same may succeed later."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & _PRIMARY in _IN_USE
