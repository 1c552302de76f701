"""Every engine of the knowledge store and of the index, for the contracts that hold for all of them.

Set ATTUNE_TEST_QDRANT_URL to run those of the index against a Qdrant server too; they use collections of their own.
"""

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient
from tests.fakes.postgres import new_database

from attune.knowledge_store.store import Store
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_postgres import PostgresStore
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Index
from attune.services.search.index.server_shelf import connect, open_server_index

DIMENSION = 8
FIELDS = DeclaredFields.parse("topic:keyword, year:number, at:time, open:boolean")
IDENTITY = IndexIdentity("model-a", DIMENSION)
SERVER_URL = os.environ.get("ATTUNE_TEST_QDRANT_URL", "")
NO_SERVER = pytest.mark.skipif(not SERVER_URL, reason="ATTUNE_TEST_QDRANT_URL names no Qdrant server")

Opener = Callable[..., Index]


def edge_opener(directory: Path) -> Iterator[Opener]:
    yield lambda identity=IDENTITY, fields=FIELDS, **more: open_edge_index(
        directory / "index", identity, fields, **more
    )


COLLECTION_CHANGES = (
    "create_collection",
    "delete_collection",
    "create_vector_name",
    "create_payload_index",
    "delete_payload_index",
    "update_collection_aliases",
)


def local_client(directory: Path) -> QdrantClient:
    """qdrant-client's local mode, one change of collections at a time: two at once lose each other's temporary file,
    which a server has not.
    """
    client, changing = QdrantClient(path=str(directory)), threading.RLock()

    def in_turn(change: Callable[..., bool]) -> Callable[..., bool]:
        def do(*arguments: Any, **options: Any) -> bool:
            with changing:
                return change(*arguments, **options)

        return do

    for name in COLLECTION_CHANGES:
        setattr(client, name, in_turn(getattr(client, name)))
    return client


def local_opener(directory: Path) -> Iterator[Opener]:
    def open_local(identity: IndexIdentity = IDENTITY, fields: DeclaredFields = FIELDS, **more: bool) -> Index:
        client = local_client(directory / "local")
        try:
            return open_server_index(client, "documents", identity, fields, **more)
        except BaseException:
            client.close()
            raise

    yield open_local


def server_opener(directory: Path) -> Iterator[Opener]:
    collection = f"attune-contract-{uuid.uuid4()}"
    yield lambda identity=IDENTITY, fields=FIELDS, **more: connect(SERVER_URL, collection, identity, fields, **more)
    with_client = QdrantClient(url=SERVER_URL)
    for each in with_client.get_collections().collections:
        if each.name.startswith(collection):
            with_client.delete_collection(each.name)
    with_client.close()


OPENERS = {"edge": edge_opener, "local": local_opener, "server": server_opener}


@pytest.fixture(params=["edge", "local", pytest.param("server", marks=NO_SERVER)])
def open_index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    yield from OPENERS[request.param](tmp_path)


@pytest.fixture
def index(open_index: Opener) -> Iterator[Index]:
    opened = open_index()
    yield opened
    opened.close()


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
