"""What only the store in PostgreSQL has: connections, and how often it goes to and fro for an answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from time import monotonic

import psycopg
import pytest
from tests.fakes.postgres import new_database
from tests.unit.knowledge_store.builders import ANNA, BEN, LOG, TWIN, days, projected

from attune.knowledge_store.model import LinkedEntity, LogPosition, UserKey
from attune.knowledge_store.postgres_schema import _MAKING
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.store import StoreBusyError
from attune.knowledge_store.store_model import Applied
from attune.knowledge_store.store_postgres import PostgresStore

QUESTIONS = {
    "states": lambda store: store.view(ANNA).states,
    "entities": lambda store: store.entities(ANNA),
    "suppressed": lambda store: store.suppressed(ANNA),
    "position": lambda store: store.position(LOG, 0),
    "objects": lambda store: store.objects("acme", ["d1", "d2"]),
    "consents": lambda store: store.consents([ANNA, BEN]),
    "summary": lambda store: store.summary(ANNA),
    "forgotten": lambda store: store.forgotten([ANNA, BEN]),
    "companions": lambda store: store.companions("acme", ["a", "b"]),
}


@pytest.fixture
def url(postgres_url) -> str:
    return new_database(postgres_url)


@pytest.fixture(params=[1, 4])
def store(url, request) -> Iterator[PostgresStore]:
    """With so many open connections."""
    opened = PostgresStore(url, connections=request.param)
    with ExitStack() as stack:
        for _ in range(request.param):
            stack.enter_context(opened._connections._pool.connection())
    opened.apply([projected("1", "a", "b")], LogPosition(LOG, 0, 7))
    opened.remember_objects("acme", {"d1": [LinkedEntity("a", 1.0)]})
    yield opened
    opened.close()


def break_connections(url: str) -> None:
    """As a restart of the server does: all end, and new ones can be made at once."""
    with psycopg.connect(url, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'attune/%'"
        ).fetchone()
    assert ended is not None
    assert ended[0] > 0


def round_trips(store: PostgresStore, question, trace: Path) -> int:
    """How often the store's connection asks and waits: messages after which the server answers all that was sent."""
    with trace.open("w") as file:
        with store._connections._pool.connection() as connection:
            connection.pgconn.trace(file.fileno())
        question(store)
        with store._connections._pool.connection() as connection:
            connection.pgconn.untrace()
    messages = [line.split("\t")[1:4] for line in trace.read_text().splitlines()]  # sender, length, kind
    return sum(sender == "F" and kind in {"Sync", "Query"} for sender, _, kind in messages)


def wait_for_waiting(connection: psycopg.Connection, number: int) -> None:
    """Until so many transactions of the database wait for an advisory lock."""
    query = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
    )
    deadline = monotonic() + 30
    while connection.execute(query).fetchone() != (number,):
        assert monotonic() < deadline


def test_who_finds_an_empty_database_together_makes_the_tables_once(url):
    """All have looked, and found none, before the first of them makes any."""
    with ThreadPoolExecutor(4) as pool, psycopg.connect(url, autocommit=True) as making:
        making.execute("SELECT pg_advisory_lock(%s)", (_MAKING,))
        opening = [pool.submit(PostgresStore, url, connections=1) for _ in range(4)]
        wait_for_waiting(making, 4)
        making.execute("SELECT pg_advisory_unlock(%s)", (_MAKING,))
        stores = [each.result() for each in opening]
    for store in stores:
        assert list(store.users()) == []
        store.close()


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_of_one_statement_is_one_round_trip(url, tmp_path, name):
    store = PostgresStore(url, connections=1)
    for _ in range(8):  # a statement that is asked often is prepared, which takes a round trip once
        QUESTIONS[name](store)
    assert round_trips(store, QUESTIONS[name], tmp_path / "trace") == 1
    store.close()


def test_a_snapshot_takes_two_round_trips_more_than_its_statements(url, tmp_path):
    store = PostgresStore(url, connections=1)
    for _ in range(8):
        store.profile(ANNA)
    assert round_trips(store, lambda store: store.profile(ANNA), tmp_path / "trace") == 4
    store.close()


def test_a_batch_of_many_users_takes_as_many_round_trips_as_one_of_one(url, tmp_path):
    store = PostgresStore(url, connections=1)
    users = [UserKey("acme", f"u{number}") for number in range(30)]

    def apply(event_id: str, number: int) -> None:
        store.apply([projected(event_id, "a", user=user) for user in users[:number]])

    for number in range(8):
        apply(str(number), 30)
    trips = [round_trips(store, lambda _store, number=number: apply("9", number), tmp_path / "t") for number in (1, 30)]
    assert trips == [7, 7]
    store.close()


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_asked_again_where_its_connection_was_broken(store, url, name):
    before = QUESTIONS[name](store)
    break_connections(url)
    assert QUESTIONS[name](store) == before


def test_a_transaction_begins_again_where_its_connection_was_broken(store, url):
    break_connections(url)
    assert store.apply([projected("2", "c", at=days(1))]) == Applied(new=1)
    break_connections(url)
    assert store.profile(ANNA).events == 2


def test_a_transaction_that_is_broken_in_its_midst_is_not_done_again(store, url):
    def records() -> Iterator[tuple[UserKey, UserRecord]]:
        yield BEN, UserRecord(events=1)
        break_connections(url)
        yield TWIN, UserRecord(events=1)

    with pytest.raises(StoreBusyError, match="check that it runs, or try again"):
        store.put_users(records())
    assert [user for user, _ in store.users()] == [ANNA]


def test_what_was_asked_on_a_broken_connection_leaves_none_in_use(store, url):
    for _ in range(6):  # more often than there are connections
        break_connections(url)
        assert store.view(BEN).states == {}


def test_who_is_frozen_in_a_transaction_keeps_no_locks(url):
    """It is told so when it wakes up, and another gets at the users before."""
    frozen, waiting = PostgresStore(url, busy_timeout=timedelta(seconds=1)), PostgresStore(url)
    with closing(frozen), closing(waiting):
        with pytest.raises(StoreBusyError), frozen._writing() as rows:  # noqa: PT012 - what is raised is its end
            rows.locked([ANNA])
            assert waiting.apply([projected("1", "a")]).new == 1  # waits until the server has ended the other
            rows.put({ANNA: UserRecord()})
        assert [each.entity_id for each in waiting.entities(ANNA)] == ["a"]
        assert frozen.apply([projected("2", "b")]).new == 1


def test_a_server_that_was_away_for_long_is_found_within_a_second_or_so(url, monkeypatch):
    """While it is away it is looked for all the time, not ever more seldom: twelve times in seconds, not an hour."""
    tried: list[float] = []

    def away(*_arguments: object, **_more: object) -> None:
        tried.append(monotonic())
        raise psycopg.OperationalError("it is away")

    with closing(PostgresStore(url, busy_timeout=timedelta(seconds=0.5), connections=1)) as store:
        with monkeypatch.context() as patched:
            patched.setattr(store._connections._pool, "_connect", away)
            break_connections(url)
            deadline = monotonic() + 30
            while len(tried) < 12:
                with pytest.raises(StoreBusyError):
                    store.view(ANNA)
                assert monotonic() < deadline
        while not _answers(store):
            assert monotonic() < deadline


def _answers(store: PostgresStore) -> bool:
    try:
        return store.view(ANNA).states == {}
    except StoreBusyError:
        return False
