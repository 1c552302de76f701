"""Transactions, snapshots and the life of connections, below the store."""

import resource
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from attune.knowledge_store.sqlite_connections import Connections
from attune.knowledge_store.sqlite_schema import APPLICATION_ID, VERSION
from attune.knowledge_store.store import StoreError

INSERT = "INSERT INTO positions VALUES ('log', ?, 1)"
COUNT = "SELECT count(*) FROM positions"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def connections(path: Path) -> Iterator[Connections]:
    opened = Connections(path, timedelta(seconds=1))
    yield opened
    opened.close()


def count(connections: Connections) -> int:
    with connections.read() as reader:
        return reader.execute(COUNT).fetchone()[0]


def test_a_new_file_is_marked_as_a_store_of_this_version(connections):
    with connections.read() as reader:
        assert reader.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert reader.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_interrupts_a_write_undoes_it_and_passes_on(connections, interruption):
    def write() -> None:
        with connections.write() as writer:
            writer.execute(INSERT, (0,))
            raise interruption

    with pytest.raises(interruption):
        write()
    assert count(connections) == 0
    with connections.write() as writer:
        writer.execute(INSERT, (0,))
    assert count(connections) == 1


def test_a_wrong_statement_is_an_error_of_the_store_and_undoes_the_write(connections):
    def write() -> None:
        with connections.write() as writer:
            writer.execute(INSERT, (0,))
            writer.execute("INSERT INTO positions VALUES ('log', 'not a number', 1)")

    with pytest.raises(StoreError, match=r"store\.db: SQLite says cannot store TEXT value in INTEGER column"):
        write()
    assert count(connections) == 0


def test_a_reader_keeps_the_state_it_began_with(connections):
    with connections.read() as reader:
        assert reader.execute(COUNT).fetchone() == (0,)
        with connections.write() as writer:
            writer.execute(INSERT, (0,))
        assert reader.execute(COUNT).fetchone() == (0,)
    assert count(connections) == 1


def test_readers_in_turn_share_a_connection_and_readers_at_once_do_not(connections):
    with connections.read() as first:
        pass
    with connections.read() as second, connections.read() as third:
        assert second is first
        assert third is not first


def test_a_reader_cannot_leave_anything_behind(connections):
    with connections.read() as reader:
        reader.execute(INSERT, (0,))
    assert count(connections) == 0


def test_writers_wait_for_each_other(connections):
    entered, leave = Event(), Event()

    def hold() -> None:
        with connections.write() as writer:
            writer.execute(INSERT, (0,))
            entered.set()
            leave.wait(10)

    def follow() -> int:
        with connections.write() as writer:
            return writer.execute(COUNT).fetchone()[0]

    with ThreadPoolExecutor(2) as pool:
        holding = pool.submit(hold)
        assert entered.wait(10)
        following = pool.submit(follow)
        assert not following.done()
        leave.set()
        assert following.result(10) == 1
        holding.result(10)


def test_emptying_the_log_leaves_everything_in_the_file(connections, path):
    with connections.write() as writer:
        writer.execute(INSERT, (0,))
    log = path.with_name("store.db-wal")
    assert log.stat().st_size > 0
    connections.truncate_wal()
    assert log.stat().st_size == 0
    assert count(connections) == 1


def test_the_log_is_emptied_when_its_last_reader_has_finished(tmp_path):
    connections = Connections(tmp_path / "store.db", timedelta(seconds=600))
    log = tmp_path / "store.db-wal"
    with connections.read() as first, connections.read() as second:
        assert (count_in(first), count_in(second)) == (0, 0)
        with connections.write() as writer:
            writer.execute(INSERT, (0,))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(connections.truncate_wal).result(60)  # for ten minutes it does not wait
        assert log.stat().st_size > 0
    assert log.stat().st_size == 0
    connections.close()


def test_the_log_that_another_process_reads_is_emptied_with_a_later_transaction(tmp_path):
    connections = Connections(tmp_path / "store.db", timedelta(seconds=600))
    log = tmp_path / "store.db-wal"
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN")
        assert count_in(other) == 0
        with connections.write() as writer:
            writer.execute(INSERT, (0,))
        connections.truncate_wal()
        assert log.stat().st_size > 0
    with connections.write() as writer:
        writer.execute(INSERT, (1,))
    assert log.stat().st_size == 0
    connections.close()


def test_the_log_that_an_unfinished_question_holds_is_emptied_with_a_later_transaction(connections, path):
    with connections.write() as writer:
        writer.executemany(INSERT, [(0,), (1,)])
        unfinished = writer.execute("SELECT * FROM positions")
        assert unfinished.fetchone() is not None
    connections.truncate_wal()
    assert log_size(path) > 0
    unfinished.close()
    with connections.write() as writer:
        writer.execute(INSERT, (2,))
    assert log_size(path) == 0


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """The file cannot grow; its write-ahead log, which is smaller, can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_pages(connections: Connections) -> None:
    with connections.write() as writer:
        writer.execute("INSERT INTO objects VALUES ('acme', 'd', ?)", ("x" * 50_000,))


def log_size(path: Path) -> int:
    return path.with_name("store.db-wal").stat().st_size


def test_who_erases_on_a_full_disk_is_told_that_it_lingers(connections, path):
    with full_disk(path):
        write_pages(connections)
        with pytest.raises(StoreError, match=r"store\.db: SQLite says disk I/O error: check the file"):
            connections.truncate_wal()
        assert log_size(path) > 0
    with connections.write() as writer:
        writer.execute(INSERT, (0,))
    assert log_size(path) == 0


def test_what_somebody_else_erased_fails_no_other_transaction_on_a_full_disk(connections, path, caplog):
    with full_disk(path):
        write_pages(connections)
        with pytest.raises(StoreError):
            connections.truncate_wal()
        with connections.write() as writer:
            writer.execute(INSERT, (0,))
        assert count(connections) == 1
    told = "what was erased is still in the write-ahead log: SQLite says disk I/O error"
    assert [told in message for message in caplog.messages] == [True, True]  # after the write, and after the read
    assert count(connections) == 1
    assert log_size(path) == 0


def count_in(connection: sqlite3.Connection) -> int:
    return int(connection.execute(COUNT).fetchone()[0])


def test_a_reader_at_work_outlives_the_closing(connections):
    with connections.read() as reader:
        connections.close()
        assert reader.execute(COUNT).fetchone() == (0,)
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        reader.execute(COUNT)
    with pytest.raises(StoreError, match=r"store\.db is closed: open it again"):
        connections.truncate_wal()
