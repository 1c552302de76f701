"""Connections to one PostgreSQL database: as many as threads ask for at a time, up to a bound."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from typing import LiteralString, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from attune.knowledge_store.postgres_migrations import Connection
from attune.knowledge_store.postgres_schema import VERSION, prepare, require_known
from attune.knowledge_store.postgres_shadow import ShadowCursor, ShadowServerCursor
from attune.knowledge_store.store import StoreBusyError, StoreError

_Found = TypeVar("_Found")
# Another process may have migrated the tables meanwhile. To ask together with the beginning is no more round trips.
# And the server ends a transaction of a process that was frozen in its midst, which would keep its users locked.
_BEGIN_WRITING: LiteralString = (
    "BEGIN; SET LOCAL idle_in_transaction_session_timeout = {}; SELECT version FROM attune.version"
)
_FROZEN_AFTER = 3
"""Times the busy timeout: whoever waits for a lock gives up before, and tries again."""
# A snapshot is taken by the first SELECT, even one that then waits while another store takes this one's place
# (shadow_postgres.py), and would show that store as it was before. LOCK takes none: it waits first.
_BEGIN_READING: LiteralString = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE attune.version IN ACCESS SHARE MODE;"
    " SELECT version FROM attune.version"
)
_TRY_AGAIN_S = 1.0
"""The pool would double its pauses while a server is away, and find it back after as long again."""
_MAY_COME_BACK = (
    psycopg.OperationalError,  # the server is away, or its connections are used up
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
)


class Connections:
    """All methods may be called from any thread."""

    def __init__(self, url: str, busy_timeout: timedelta, connections: int, *, is_shadow: bool = False) -> None:
        self._busy_timeout = busy_timeout
        self._is_shadow = is_shadow
        self._is_closed = False
        frozen_after = int(1000 * _FROZEN_AFTER * busy_timeout.total_seconds())
        self._begin_writing = _BEGIN_WRITING.format(frozen_after)
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            min_size=1,
            max_size=connections,
            timeout=busy_timeout.total_seconds(),
            kwargs={"autocommit": True, "application_name": f"attune/{VERSION}"},
            configure=self._configure,
            reconnect_timeout=_TRY_AGAIN_S,
            reconnect_failed=ConnectionPool.check,
            open=False,
        )
        try:
            with self._translated():
                psycopg.connect(url, connect_timeout=max(2, int(busy_timeout.total_seconds()))).close()
                self._pool.open()
                with self._pool.connection() as connection:
                    prepare(connection)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        with self._translated(), ExitStack() as stack:
            yield self._lent(stack, partial(_begun, self._begin_writing))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot: nothing that is committed meanwhile is seen in the block."""
        with self._translated(), ExitStack() as stack:
            yield self._lent(stack, partial(_begun, _BEGIN_READING))

    def ask(self, question: Callable[[Connection], _Found]) -> _Found:
        """What a question of one statement finds, without a transaction."""
        with self._translated(), ExitStack() as stack:
            return self._lent(stack, question)

    def close(self) -> None:
        """Closing again does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._pool.close()

    def _configure(self, connection: Connection) -> None:
        milliseconds = int(1000 * self._busy_timeout.total_seconds())
        if self._is_shadow:
            connection.cursor_factory = ShadowCursor
            connection.server_cursor_factory = ShadowServerCursor
        connection.execute(f"SET lock_timeout = {milliseconds}")

    def _lent(self, stack: ExitStack, first: Callable[[Connection], _Found]) -> _Found:
        """What `first` finds on a connection, which is lent until the end of the stack, and commits then.

        To try a connection before would be a round trip. Where the server was restarted, what is asked first fails
        before anything is done, and is asked again on a new connection.
        """
        with ExitStack() as attempt:
            connection = attempt.enter_context(self._pool.connection())
            try:
                found = first(connection)
            except psycopg.OperationalError:
                if not connection.broken:
                    raise
            else:
                stack.push(attempt.pop_all())
                return found
        self._pool.check()  # the other idle connections are as old
        return first(stack.enter_context(self._pool.connection()))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        if self._is_closed:
            raise StoreError("the store in PostgreSQL is closed: open it again")
        try:
            yield
        except (*_MAY_COME_BACK, PoolTimeout) as error:
            raise StoreBusyError(f"PostgreSQL says {_said(error)}: check that it runs, or try again") from error
        except psycopg.Error as error:
            raise StoreError(f"PostgreSQL says {_said(error)}: check the database and its permissions") from error


def _begun(begin: LiteralString, connection: Connection) -> Connection:
    """A transaction, of a process that may go on with the version of the tables."""
    cursor = connection.execute(begin)
    while cursor.nextset():
        pass  # the version is the last
    row = cursor.fetchone()
    require_known(None if row is None else int(row[0]))
    return connection


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
