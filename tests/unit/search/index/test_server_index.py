"""What only the server engine does: refuses old and unreachable servers, and shares a collection with replicas."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException

from attune.services.search.index.errors import IndexMismatchError, IndexUnavailableError
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Document, IndexedDocument
from attune.services.search.index.server_shelf import connect, open_server_index
from attune.services.search.index.settings import IndexSettings

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

IDENTITY = IndexIdentity("model-a", 8)
FIELDS = DeclaredFields.parse("year:number, at:time, open:boolean")


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    opened = QdrantClient(":memory:")
    yield opened
    opened.close()


@pytest.fixture
def serve() -> Iterator[Callable[[int, object], str]]:
    """Starts a server that gives every request the same answer; returns its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, body: object) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                """Tests print nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_collection_is_made_for_tenants_and_bm25(client: QdrantClient) -> None:
    open_server_index(client, "documents", IDENTITY)
    config = client.get_collection("documents").config
    assert config.metadata == {"schema": 1, "model_id": "model-a", "dimension": 8, "bm25_average_length": 100.0} | {
        "fields": {}
    }
    best_row = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    assert config.params.vectors == {
        "dense": models.VectorParams(size=8, distance=models.Distance.COSINE),
        "passages": models.VectorParams(size=8, distance=models.Distance.COSINE, multivector_config=best_row),
    }
    assert config.params.sparse_vectors == {"bm25": models.SparseVectorParams(modifier=models.Modifier.IDF)}


def test_replicas_open_one_collection(client: QdrantClient) -> None:
    first = open_server_index(client, "documents", IDENTITY)
    second = open_server_index(client, "documents", IDENTITY)
    assert first.count("acme") == second.count("acme") == 0


def test_a_collection_of_somebody_else_is_refused_and_untouched(client: QdrantClient) -> None:
    client.create_collection("documents", vectors_config=models.VectorParams(size=8, distance=models.Distance.DOT))
    with pytest.raises(IndexMismatchError, match=r"the collection 'documents' was written with schema None"):
        open_server_index(client, "documents", IDENTITY)
    assert client.get_collection("documents").config.metadata is None


@pytest.mark.parametrize(
    "vectors",
    [
        models.VectorParams(size=8, distance=models.Distance.COSINE),
        {"other": models.VectorParams(size=8, distance=models.Distance.COSINE)},
        {"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)},
    ],
)
def test_metadata_that_the_vectors_belie_is_refused(client: QdrantClient, vectors: models.VectorParams) -> None:
    client.create_collection("documents", vectors_config=vectors, metadata=IDENTITY.to_manifest())
    with pytest.raises(IndexMismatchError, match="has no vector named 'dense' of size 8: start with the model"):
        open_server_index(client, "documents", IDENTITY)


def test_a_server_that_is_down_is_named_with_the_mend() -> None:
    with pytest.raises(
        IndexUnavailableError, match=r"server of collection 'documents' failed .*refused.*check its address"
    ):
        connect("http://127.0.0.1:1", "documents", IDENTITY)


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_server_that_refuses_is_named_with_its_status(serve: Callable[[int, object], str], status: int) -> None:
    with pytest.raises(IndexUnavailableError, match=f"status {status}") as caught:
        connect(serve(status, {"secret": "detail"}), "documents", IDENTITY)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_qdrant_is_refused(serve: Callable[[int, object], str]) -> None:
    with pytest.raises(IndexUnavailableError, match="check its address"):
        connect(serve(200, {"hello": "world"}), "documents", IDENTITY)


@pytest.mark.parametrize("version", ["1.18.3", "1.9.0", "0.11.0"])
def test_a_server_that_mixes_tenants_in_its_statistics_is_refused(
    serve: Callable[[int, object], str], version: str
) -> None:
    address = serve(200, {"title": "qdrant - vector search engine", "version": version})
    with pytest.raises(IndexUnavailableError, match=f"version {version}, .* upgrade it to 1.19 or later"):
        connect(address, "documents", IDENTITY)


class Recording(QdrantClient):
    """Qdrant's local mode, which remembers what it was asked for and does not know itself."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.made: list[dict[str, Any]] = []
        self.searched: list[models.SearchParams | None] = []
        self.indexed: dict[str, Any] = {}

    def create_collection(self, collection_name: str, **options: Any) -> bool:
        self.made.append(options)
        return super().create_collection(collection_name, **options)

    def query_points(self, collection_name: str, **options: Any) -> Any:
        self.searched.append(options["search_params"])
        return super().query_points(collection_name, **options)

    def create_payload_index(self, collection_name: str, field_name: str, field_schema: Any = None, **_: Any) -> Any:
        self.indexed[field_name] = field_schema
        return super().create_payload_index(collection_name, field_name, field_schema)


def test_a_cluster_is_asked_for_what_the_settings_say() -> None:
    settings = IndexSettings(
        links=24,
        build_width=200,
        search_width=300,
        is_quantized=True,
        oversampling=3,
        shards=6,
        replicas=2,
        write_consistency=2,
    )
    client = Recording()
    index = open_server_index(client, "documents", IDENTITY, FIELDS, settings)
    index.create_generation()
    first, second = client.made
    assert (first["shard_number"], first["replication_factor"], first["write_consistency_factor"]) == (6, 2, 2)
    assert first["hnsw_config"] == models.HnswConfigDiff(m=0, payload_m=24, ef_construct=200)
    assert first["quantization_config"].scalar.type == models.ScalarType.INT8
    assert {name: value for name, value in second.items() if name != "metadata"} == {
        name: value for name, value in first.items() if name != "metadata"
    }
    index.dense("acme", np.ones(8, np.float32), 10)
    (params,) = client.searched
    assert params == models.SearchParams(
        hnsw_ef=300, quantization=models.QuantizationSearchParams(rescore=True, oversampling=3)
    )
    index.close()


def test_every_field_that_searches_are_narrowed_by_has_an_index() -> None:
    client = Recording()
    open_server_index(client, "documents", IDENTITY, FIELDS).close()
    assert client.indexed["tenant"].is_tenant
    assert {name: str(kind.value) for name, kind in client.indexed.items() if name != "tenant"} == {
        "domain": "keyword",
        "principals": "keyword",
        "languages": "keyword",
        "fields.year": "float",
        "fields.at": "datetime",
        "fields.open": "keyword",
    }


def test_without_settings_the_server_decides() -> None:
    client = Recording()
    open_server_index(client, "documents", IDENTITY).close()
    (made,) = client.made
    decided = ("shard_number", "replication_factor", "write_consistency_factor")
    assert {made[name] for name in decided} == {None}
    assert made["quantization_config"] is not None  # int8 is ours to decide


def test_what_is_left_of_a_role_that_died_while_it_made_a_collection_can_be_dropped(client: QdrantClient) -> None:
    index = open_server_index(client, "documents", IDENTITY)
    client.create_collection("documents-2", vectors_config={}, metadata=IDENTITY.to_manifest())
    client.create_collection("documents-else", vectors_config={})
    assert {each.name: str(each.state) for each in index.generations()} == {
        "documents": "serving",
        "documents-2": "retired",
    }
    assert index.create_generation().name == "documents-3"
    index.drop_generation("documents-2")
    assert client.collection_exists("documents-else")
    assert [each.name for each in index.generations()] == ["documents", "documents-3"]


class Refusing(QdrantClient):
    """Qdrant's local mode, with a server's error for a collection that is gone."""

    def count(self, collection_name: str, **options: Any) -> Any:
        if not self.collection_exists(collection_name):
            raise ResponseHandlingException(KeyError(collection_name))
        return super().count(collection_name, **options)


def test_roles_that_share_a_server_follow_each_other() -> None:
    """One builds; what the other one is sent meanwhile is in what serves afterwards."""
    document = IndexedDocument.of(Document("1", "", "word", "d"))
    vectors = np.ones((1, 8), np.float32)
    client = Refusing(":memory:")
    builder = open_server_index(client, "documents", IDENTITY)
    other = open_server_index(client, "documents", IDENTITY)
    building = builder.create_generation()
    other.upsert("acme", [document], vectors)
    assert builder.digests("acme", ["1"]) == {"1": document.digest}
    builder.activate_generation(building.name)
    assert other.count("acme") == 1  # though the collection that it knew is gone
    assert other.delete("acme", ["1"]) == 1
    assert builder.count("acme") == 0
    client.close()
