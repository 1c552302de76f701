"""Values on their way into rows and back, and the work that the statements cost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import ANNA, projected, state, untimed

from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store import EntityCursor
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.knowledge_store.transaction_sqlite import SqliteTransaction, _user_digest, to_datetime, to_microseconds

names = st.text("ab/\0é", min_size=1, max_size=4)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.db")
    yield opened
    opened.close()


@untimed
@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_comes_back_to_the_microsecond(moment):
    assert to_datetime(to_microseconds(moment)) == moment


@pytest.mark.parametrize(("moment", "microseconds"), [(0, 0), (1, 1_000_000), (-1, -1_000_000)])
def test_moments_are_counted_from_1970(moment, microseconds):
    assert to_microseconds(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)) == microseconds


@untimed
@given(names, names, names, names)
def test_two_users_have_the_same_digest_only_if_they_are_one(tenant, user, other_tenant, other_user):
    one, other = UserKey(tenant, user), UserKey(other_tenant, other_user)
    assert (_user_digest(one) == _user_digest(other)) == (one == other)
    assert len(_user_digest(one)) == 16


def plans(store: SqliteStore, work) -> list[str]:
    """SQLite's plan of each query that `work` runs."""
    statements: list[str] = []
    with store._connections.read() as reader:
        reader.set_trace_callback(statements.append)
    work()
    with store._connections.read() as reader:
        reader.set_trace_callback(None)
        queries = [statement for statement in statements if statement.startswith("SELECT")]
        return [row[3] for query in queries for row in reader.execute(f"EXPLAIN QUERY PLAN {query}")]


def test_reads_find_their_rows_through_an_index_and_sort_nothing(store):
    store.apply([projected("1", "a", "b")])
    cursor = EntityCursor.of(state("a"))
    for work in (
        lambda: store.entities(ANNA),
        lambda: store.entity_page(ANNA, cursor, 10),
        lambda: store.profile(ANNA),
        lambda: store.objects("acme", ["d1", "d2"]),
        lambda: store.position("log", 0),
    ):
        found = plans(store, work)
        assert found
        assert all(step.startswith("SEARCH") for step in found)


def test_a_page_is_cut_by_the_index_and_not_by_reading_on(store):
    plan = plans(store, lambda: store.entity_page(ANNA, EntityCursor(1.0, "a"), 10))
    assert any("entities_by_rank (tenant=? AND user=? AND rank<?)" in step for step in plan)


def test_evicting_removes_only_what_is_behind_the_capacity(store):
    store.apply([projected("1", "a", "b", "c")])
    with store._connections.write() as connection:
        SqliteTransaction(connection).evict(ANNA, 3)
        assert connection.execute("SELECT count(*) FROM entities").fetchone() == (3,)
        SqliteTransaction(connection).evict(ANNA, 1)
    assert [kept.entity_id for kept in store.entities(ANNA)] == ["a"]
