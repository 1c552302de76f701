"""Databases of older and newer versions, while processes of several versions use them."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from tests.fakes.postgres import new_database
from tests.unit.knowledge_store.builders import ANNA, BEN, LOG, days, projected

from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.kept import Kept
from attune.knowledge_store.model import LogPosition
from attune.knowledge_store.postgres_migrations import migrate
from attune.knowledge_store.postgres_schema import _MAKING, VERSION
from attune.knowledge_store.store import StoreError
from attune.knowledge_store.store_model import Applied
from attune.knowledge_store.store_postgres import PostgresStore

HASTY = timedelta(seconds=1)
UPDATE = "UPDATE attune.users SET digests = digests WHERE digest = %s"


@pytest.fixture
def url(postgres_url) -> str:
    return new_database(postgres_url)


@pytest.fixture
def other(url) -> Iterator[psycopg.Connection]:
    """Somebody else, who waits a second at most."""
    with closing(psycopg.connect(url, options="-c lock_timeout=1000")) as connection:
        yield connection


@pytest.fixture
def before(url) -> list[Kept]:
    """All that a database of version 3 holds, which is there from now on."""
    with closing(PostgresStore(url)) as store:
        store.apply([projected("1", "a", "b")], LogPosition(LOG, 0, 7))
        kept = list(store.dump())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE attune.consents, attune.summaries, attune.companions, attune.claims")
        connection.execute("UPDATE attune.version SET version = 3")
    return kept


def schema(url: str) -> tuple[int, bool]:
    """The version, and whether what came with version 4 is there."""
    query = "SELECT version, to_regclass('attune.consents') IS NOT NULL FROM attune.version"
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchone()


def set_schema(url: str, version: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE attune.version SET version = %s", (version,))


def test_a_database_of_version_3_is_what_it_was_and_takes_what_is_new(url, before):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(PostgresStore, [url, url])
    with closing(first), closing(second):
        assert list(first.dump()) == before
        first.consent(ANNA, [Choice(days(1), Purpose.LEARNING, False)])
        assert not second.allows(ANNA, Purpose.LEARNING)


def test_a_migration_waits_for_no_transaction_that_is_open(url, before, other):
    other.execute("SELECT * FROM attune.users FOR UPDATE")
    assert other.execute(UPDATE, (ANNA.digest,)).rowcount == 1
    with closing(PostgresStore(url, busy_timeout=HASTY)):
        assert schema(url) == (VERSION, True)
    other.commit()


def test_readers_and_writers_go_on_while_a_migration_is_not_committed(url, before, other):
    with psycopg.connect(url) as migrating:
        migrate(migrating, 3, VERSION)
        assert other.execute("SELECT version FROM attune.version").fetchone() == (3,)
        assert len(other.execute("SELECT record FROM attune.users").fetchall()) == 1
        assert other.execute(UPDATE, (ANNA.digest,)).rowcount == 1
        other.commit()
    assert schema(url) == (VERSION, True)


def test_a_step_locks_no_table_that_is_in_use(url, before):
    tables = "SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'attune'::regnamespace"
    locks = "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
    with psycopg.connect(url) as migrating:
        in_use = {oid for (oid,) in migrating.execute(tables)}
        version = migrating.execute("SELECT 'attune.version'::regclass::oid").fetchone()[0]
        migrate(migrating, 3, VERSION)
        held = {(oid, mode) for oid, mode in migrating.execute(locks) if oid in in_use}
    assert held == {(version, "RowExclusiveLock")}


MIGRATE = """
import sys
from attune.knowledge_store import postgres_migrations as migrations

step = migrations._STEPS[3]

def telling(connection):
    step(connection)
    print("done", flush=True)
    sys.stdin.read()

migrations._STEPS[3] = telling
from attune.knowledge_store.store_postgres import PostgresStore
PostgresStore(sys.argv[1])
"""


def test_a_migration_that_is_killed_is_done_by_the_next_start(url, before):
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", MIGRATE, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as migrating:  # noqa: S603
        assert migrating.stdout.readline() == b"done\n"
        migrating.send_signal(signal.SIGKILL)
    assert schema(url) == (3, False)
    with closing(PostgresStore(url)) as store:
        assert list(store.dump()) == before
    assert schema(url) == (VERSION, True)


def test_version_3_is_left_while_its_processes_which_know_no_consents_are_connected(url, before):
    with closing(psycopg.connect(url, application_name="attune")):
        with pytest.raises(StoreError, match="which know no consents, are connected: stop all of them, then start"):
            PostgresStore(url)
        assert schema(url) == (3, False)


def test_a_process_goes_on_beside_the_next_version_and_may_be_started_again(url):
    with closing(PostgresStore(url)) as running:
        set_schema(url, VERSION + 1)
        with closing(PostgresStore(url)) as started:
            assert running.apply([projected("1", "a")]) == Applied(new=1)
            assert started.apply([projected("2", "a")]) == Applied(new=1)
            assert running.profile(ANNA).events == 2
    assert schema(url)[0] == VERSION + 1


@pytest.mark.parametrize("version", [VERSION + 2, 9])
def test_a_process_ends_its_work_where_the_version_counts_two(url, version):
    refusal = f"schema {version} and this version knows {VERSION}: upgrade attune"
    with closing(PostgresStore(url)) as store:
        store.apply([projected("1", "a")])
        for _ in range(8):  # as often as it takes for a statement to be prepared
            store.profile(ANNA)
        set_schema(url, version)
        with pytest.raises(StoreError, match=refusal):
            store.apply([projected("2", "a")])
        with pytest.raises(StoreError, match=refusal):
            store.forget_user(BEN, days(1))
        with pytest.raises(StoreError, match=refusal):
            store.profile(ANNA)
        with pytest.raises(StoreError, match=refusal):
            PostgresStore(url)
        set_schema(url, VERSION)
        assert store.profile(ANNA).events == 1
        assert store.forgotten([BEN]) == {}


def test_a_start_with_nothing_to_migrate_waits_for_nobody(url, other):
    PostgresStore(url).close()
    other.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
    PostgresStore(url, busy_timeout=HASTY).close()
