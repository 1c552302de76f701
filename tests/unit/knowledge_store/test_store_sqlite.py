"""What only a file can get wrong: crashes, other processes, other programs' files, and bytes that linger."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.knowledge_store.builders import ANNA, LOG, START, batches, content, days, projected, table_rows

from attune.knowledge_store.model import LinkedEntity, LogPosition, UserKey
from attune.knowledge_store.sqlite_schema import VERSION
from attune.knowledge_store.store import StoreBusyError, StoreError
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    opened.close()


def bytes_of(path: Path) -> bytes:
    """The file, its write-ahead log and its index of it."""
    return b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))


def test_a_store_is_as_it_was_when_it_is_opened_again(path):
    first = SqliteStore(path)
    first.apply([projected("1", "a", "b", weight=0.1)], LogPosition(LOG, 0, 1))
    first.remember_objects("acme", {"d": [LinkedEntity("a", 1.0)]})
    before = content(first)
    first.close()
    again = SqliteStore(str(path))
    assert content(again) == before
    assert again.objects("acme", ["d"]) == {"d": [LinkedEntity("a", 1.0)]}
    again.close()


def test_only_the_owner_can_read_the_file_and_its_side_files(store, path):
    store.apply([projected("1", "a")])
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def test_commits_are_synced_and_readers_do_not_wait(store):
    with store._connections.write() as writer:
        assert writer.execute("PRAGMA synchronous").fetchone() == (2,)
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert writer.execute("PRAGMA secure_delete").fetchone() == (1,)
        assert store.entities(ANNA) == []


def test_a_newer_schema_is_refused_and_left_as_it_is(path):
    SqliteStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=rf"store\.db has schema {VERSION + 1} .* upgrade attune"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_process_refuses_when_another_has_migrated_to_a_newer_schema(path, store):
    store.apply([projected("1", "a")])
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    before = table_rows(path)
    refusal = rf"store\.db has schema {VERSION + 1} and this version knows {VERSION}: upgrade attune"
    with pytest.raises(StoreError, match=refusal):
        store.apply([projected("2", "a")])
    with pytest.raises(StoreError, match=refusal):
        store.entities(ANNA)
    assert table_rows(path) == before


def test_a_schema_from_before_the_first_release_is_refused_and_left_as_it_is(path):
    SqliteStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"store\.db has schema 1, .* move it away"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_as_it_is(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"store\.db is not a knowledge store: give"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(path):
    path.write_text("not a database, but long enough to look like one\n" * 100)
    with pytest.raises(StoreError, match=r"store\.db: SQLite says file is not a database: check the file"):
        SqliteStore(path)


def test_an_empty_file_is_refused(path):
    path.touch()
    with pytest.raises(StoreError, match="is not a knowledge store: give"):
        SqliteStore(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"missing/store\.db: No such file or directory: give a file in a directory"):
        SqliteStore(tmp_path / "missing" / "store.db")
    with pytest.raises(StoreError, match="SQLite says unable to open database file: check the file"):
        SqliteStore(tmp_path)


@pytest.mark.parametrize("name", ["with space.db", "100%?mode=memory.db", "#ünï.db"])
def test_any_file_name_will_do_and_no_other_file_is_left(tmp_path, name):
    store = SqliteStore(tmp_path / name)
    store.apply([projected("1", "a")])
    store.close()
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_store_restored_from_a_copy_writes_ahead_again(path):
    SqliteStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    store = SqliteStore(path)
    with store._connections.read() as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_file_that_is_taken_away_is_not_made_again_by_reading(store, path):
    path.unlink()
    with pytest.raises(StoreError, match="unable to open database file"):
        store.profile(ANNA)
    assert not path.exists()


def test_a_damaged_file_is_an_error_of_the_store(store, path):
    with store._connections.write() as connection:
        connection.execute("DROP TABLE users")
    with pytest.raises(StoreError, match="no such table"):
        store.entities(ANNA)
    with pytest.raises(StoreError, match="no such table"):
        store.apply([projected("1", "a")], LogPosition(LOG, 0, 1))
    assert store.position(LOG, 0) == 0


def test_a_writer_that_waits_too_long_says_so_and_wrote_nothing(path, store):
    hasty = SqliteStore(path, busy_timeout=timedelta(milliseconds=20))
    with store._connections.write(), pytest.raises(StoreBusyError, match=r"locked by another writer for 0\.02 s"):
        hasty.apply([projected("1", "a")])
    assert hasty.apply([projected("1", "a")]).new == 1
    hasty.close()


def test_a_connection_that_is_lost_before_the_commit_loses_the_whole_batch(path, store):
    store.apply([projected("0", "a")], LogPosition(LOG, 0, 1))
    before = table_rows(path)

    def losing() -> Iterator[object]:
        yield projected("1", "b")
        store._connections._writer.close()
        yield projected("2", "c")

    with pytest.raises(StoreError):
        store.apply(losing(), LogPosition(LOG, 0, 3))
    assert table_rows(path) == before
    again = SqliteStore(path)
    assert again.apply([projected("1", "b"), projected("2", "c")], LogPosition(LOG, 0, 3)).new == 2
    again.close()


def test_of_a_forgotten_user_no_byte_remains_but_the_tombstone(path, store):
    user = UserKey("acme", "Zebedee-Quux-4711")
    events = [
        projected(f"event-{number}", f"entity-{number:04}-private", user=user, at=days(number)) for number in range(600)
    ]
    store.apply(events)
    store.apply([projected("other", "public")])
    with store._connections.read() as reader:
        [kept] = reader.execute("SELECT record FROM users WHERE user = ?", (user.user,)).fetchone()
    assert b"Zebedee" in bytes_of(path)
    assert kept[-40:] in bytes_of(path)
    store.forget_user(user, days(700))
    remains = bytes_of(path)
    assert b"Zebedee" not in remains
    assert not any(kept[at : at + 40] in remains for at in range(0, len(kept) - 40, 40))
    assert [state.entity_id for state in store.entities(ANNA)] == ["public"]
    assert store.apply(events).forgotten == 600


def test_of_a_forgotten_entity_the_tombstone_keeps_the_id_only(path, store):
    store.apply([projected("1", "secret"), projected("2", "other")])
    store.forget_entity(ANNA, "secret", days(1))
    assert {name for name, rows in table_rows(path).items() if "secret" in repr(rows)} == {"tombstones"}
    assert [state.entity_id for _, record in store.users() for state in record.states.values()] == ["other"]


def test_event_ids_are_kept_as_digests(path, store):
    store.apply([projected("what the caller put in the id", "a")])
    assert b"what the caller" not in bytes_of(path)


WRITER = """
import sys
from attune.knowledge_store.store_sqlite import SqliteStore
from tests.unit.knowledge_store.test_store_sqlite import steps

store = SqliteStore(sys.argv[1])
for batch, position in steps():
    store.apply(batch, position)
    print(position.next_offset, flush=True)
"""

EVENTS = [
    projected(f"event-{number}", f"e{number % 40}", f"e{number % 7}", at=START + timedelta(minutes=number), weight=0.1)
    for number in range(6_000)
]


def steps():
    return batches(EVENTS, [7] * (len(EVENTS) // 7))


@pytest.mark.parametrize("commits", [1, 40])
def test_a_killed_writer_leaves_offset_and_state_in_agreement(path, commits):
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, cwd=root) as writer:  # noqa: S603
        told = [int(writer.stdout.readline()) for _ in range(commits)][-1]
        writer.send_signal(signal.SIGKILL)
    store = SqliteStore(path)
    offset = store.position(LOG, 0)
    assert told <= offset < len(EVENTS)
    expected = MemoryStore()
    expected.apply(EVENTS[:offset], LogPosition(LOG, 0, offset))
    assert content(store, [ANNA]) == content(expected, [ANNA])
    store.apply(EVENTS[offset : offset + 100], LogPosition(LOG, 0, offset + 100))
    expected.apply(EVENTS[offset : offset + 100], LogPosition(LOG, 0, offset + 100))
    assert content(store, [ANNA]) == content(expected, [ANNA])
    store.close()


SHARER = """
import sys
from datetime import UTC, datetime, timedelta
from attune.knowledge_store.model import LogPosition, UserKey
from attune.knowledge_store.store_model import Projected
from attune.knowledge_store.store_sqlite import SqliteStore

start = datetime(2026, 1, 1, tzinfo=UTC)
store = SqliteStore(sys.argv[1], busy_timeout=timedelta(seconds=30))
for number in range(15):
    event = Projected(f"{sys.argv[2]}-{number}", UserKey("acme", "anna"), start, start)
    store.apply([event], LogPosition("log", int(sys.argv[2]), number + 1))
store.close()
"""


def test_processes_that_open_a_new_file_together_share_it(path):
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", SHARER, path]
    processes = [subprocess.Popen([*command, str(number)], cwd=root) for number in range(3)]  # noqa: S603
    assert [process.wait() for process in processes] == [0] * 3
    store = SqliteStore(path)
    assert store.profile(ANNA).events == 45
    assert [store.position("log", number) for number in range(3)] == [15] * 3
    store.close()
