"""Stores of older versions: opened, they are what they were, and a kill in between loses nothing."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.knowledge_store.builders import ANNA, BEN, LOG, START, content, days, projected

from attune.knowledge_store.codec import to_microseconds
from attune.knowledge_store.model import EventKind, LinkedEntity, LogPosition, Source, UserKey
from attune.knowledge_store.sqlite_schema import APPLICATION_ID, VERSION
from attune.knowledge_store.store_model import Applied, Profile, Projected, Suppressed
from attune.knowledge_store.store_sqlite import SqliteStore

VERSION_2 = """
CREATE TABLE users (
    tenant TEXT NOT NULL, user TEXT NOT NULL,
    events INTEGER NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, newest_epoch INTEGER NOT NULL,
    PRIMARY KEY (tenant, user)
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    tenant TEXT NOT NULL, user TEXT NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (tenant, user, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE entities (
    tenant TEXT NOT NULL, user TEXT NOT NULL, entity_id TEXT NOT NULL,
    counts TEXT NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
    weight REAL NOT NULL, rank REAL NOT NULL,
    PRIMARY KEY (tenant, user, entity_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX entities_by_rank ON entities (tenant, user, rank DESC, entity_id);
CREATE TABLE tombstones (
    user_digest BLOB NOT NULL, entity_id TEXT NOT NULL, forgotten_at INTEGER NOT NULL,
    PRIMARY KEY (user_digest, entity_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE suppressions (
    tenant TEXT NOT NULL, user TEXT NOT NULL, fingerprint BLOB NOT NULL, history_until INTEGER NOT NULL,
    PRIMARY KEY (tenant, user, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE TABLE positions (
    log TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (log, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE objects (
    tenant TEXT NOT NULL, object_id TEXT NOT NULL, entities TEXT NOT NULL,
    PRIMARY KEY (tenant, object_id)
) STRICT, WITHOUT ROWID;
"""
EVENT = projected("1", "a", at=days(3))


def digest_of_version_2(event: Projected) -> bytes:
    """16 bytes, of which a record keeps the first 6."""
    return event.digest + b"1234567890"


def write_version_2(path: Path, users: int = 1) -> None:
    """Anna with two entities, an event, a tombstone and suppressions; others with 20 entities each."""
    at = to_microseconds(days(3))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 2")
        connection.executescript(VERSION_2)
        key = (ANNA.tenant, ANNA.user)
        connection.execute("INSERT INTO users VALUES (?, ?, 2, 5, ?, ?)", (*key, at, at))
        connection.execute("INSERT INTO events VALUES (?, ?, ?)", (*key, digest_of_version_2(EVENT)))
        counts = json.dumps({"click/document": 2, "query/query": 1})
        connection.execute("INSERT INTO entities VALUES (?, ?, 'a', ?, 5, ?, 1.25, 9.0)", (*key, counts, at))
        connection.execute("INSERT INTO entities VALUES (?, ?, 'é', ?, 5, ?, -2.5, -9.0)", (*key, counts, at))
        connection.execute("INSERT INTO suppressions VALUES (?, ?, ?, 0)", (*key, b"x" * 32))
        connection.execute("INSERT INTO suppressions VALUES (?, ?, ?, ?)", (*key, b"", at))
        connection.execute("INSERT INTO suppressions VALUES (?, ?, ?, 0)", (BEN.tenant, BEN.user, b"y" * 32))
        connection.execute("INSERT INTO tombstones VALUES (?, 'z', ?)", (ANNA.digest, at))
        connection.execute("INSERT INTO positions VALUES (?, 0, 7)", (LOG,))
        connection.execute("INSERT INTO objects VALUES ('acme', 'd', '[[\"a\", 1.0]]')")
        for number in range(users - 1):
            other = ("acme", f"user{number:06}")
            connection.execute("INSERT INTO users VALUES (?, ?, 1, 5, ?, ?)", (*other, at, at))
            rows = [(*other, f"e{each}", counts, 5, at, 1.0, 9.0) for each in range(20)]
            connection.executemany("INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.commit()


def test_a_store_of_version_2_is_what_it_was(tmp_path):
    write_version_2(tmp_path / "store.db")
    store = SqliteStore(tmp_path / "store.db")
    first = START.replace(year=1970) + timedelta(microseconds=5)
    assert store.profile(ANNA) == Profile(2, 2, first, days(3))
    heavy, light = store.entities(ANNA)
    assert (heavy.entity_id, heavy.weight, heavy.recent, heavy.first_seen, heavy.last_seen) == (
        "a", 1.25, 1.25, first, days(3),
    )  # fmt: skip
    assert heavy.counts == {(EventKind.CLICK, Source.DOCUMENT): 2, (EventKind.QUERY, Source.QUERY): 1}
    assert (light.entity_id, light.weight) == ("é", -2.5)
    assert store.suppressed(ANNA) == Suppressed((b"x" * 32,), days(3))
    assert store.suppressed(BEN) == Suppressed((b"y" * 32,))
    assert store.objects("acme", ["d"]) == {"d": [LinkedEntity("a", 1.0)]}
    assert store.position(LOG, 0) == 7
    assert store.apply([EVENT], LogPosition(LOG, 0, 8)) == Applied(duplicates=1)
    assert store.apply([projected("2", "z", at=days(2))]) == Applied(new=1)
    assert [state.entity_id for state in store.entities(ANNA)] == ["a", "é"]
    store.close()


def test_it_is_migrated_once(tmp_path):
    write_version_2(tmp_path / "store.db")
    SqliteStore(tmp_path / "store.db").close()
    before = (tmp_path / "store.db").read_bytes()
    SqliteStore(tmp_path / "store.db").close()
    assert (tmp_path / "store.db").read_bytes() == before
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables == {"users", "tombstones", "consents", "summaries", "companions", "positions", "claims", "objects"}


MIGRATE = """
import sys
from attune.knowledge_store import sqlite_migrations as migrations

record, done = migrations._old_record, 0

def telling(connection, key):
    global done
    done += 1
    print(done, flush=True)
    return record(connection, key)

migrations._old_record = telling
from attune.knowledge_store.store_sqlite import SqliteStore
SqliteStore(sys.argv[1]).close()
print("end", flush=True)
"""


@pytest.mark.parametrize("users_done", [1, 150])
def test_a_migration_that_is_killed_is_done_by_the_next_start(tmp_path, users_done):
    write_version_2(tmp_path / "store.db", users=300)
    write_version_2(tmp_path / "whole.db", users=300)
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", MIGRATE, tmp_path / "store.db"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as migrating:  # noqa: S603
        for _ in range(users_done):
            assert migrating.stdout.readline() != b"end\n"
        migrating.send_signal(signal.SIGKILL)
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    users = [ANNA, BEN, *(UserKey("acme", f"user{number:06}") for number in range(299))]
    store, whole = SqliteStore(tmp_path / "store.db"), SqliteStore(tmp_path / "whole.db")
    assert content(store, users) == content(whole, users)
    assert sum(len(record.states) for _, record in store.users()) == 2 + 299 * 20
    store.close()
    whole.close()
