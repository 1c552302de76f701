"""The work that the statements cost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.knowledge_store.builders import ANNA, projected, state

from attune.knowledge_store.store_model import EntityCursor
from attune.knowledge_store.store_sqlite import SqliteStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.db")
    yield opened
    opened.close()


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
        lambda: store.companions("acme", ["a", "b"]),
        lambda: store.consents([ANNA]),
        lambda: store.summary(ANNA),
        lambda: store.position("log", 0),
    ):
        found = plans(store, work)
        assert found
        assert all(step.startswith("SEARCH") for step in found)
