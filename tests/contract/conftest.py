"""Every engine of the knowledge store, for the contracts that hold for all of them."""

from collections.abc import Callable, Iterator

import pytest
from tests.fakes.postgres import new_database

from attune.knowledge_store.store import Store
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_postgres import PostgresStore
from attune.knowledge_store.store_sqlite import SqliteStore

StoreFactory = Callable[..., Store]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def open_store(request, tmp_path) -> Iterator[StoreFactory]:
    """Opens a new, empty store at each call; all are closed in the end."""
    opened: list[Store] = []

    def open_one(**settings: int) -> Store:
        if request.param == "memory":
            opened.append(MemoryStore(**settings))
        elif request.param == "sqlite":
            opened.append(SqliteStore(tmp_path / f"store{len(opened)}.db", **settings))
        else:
            opened.append(PostgresStore(new_database(request.getfixturevalue("postgres_url")), **settings))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: StoreFactory) -> Store:
    return open_store()
