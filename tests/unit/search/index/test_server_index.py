"""What only the server engine does: refuses old and unreachable servers, and shares a collection with replicas."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from qdrant_client import QdrantClient, models

from attune.services.search.index.errors import IndexMismatchError, IndexUnavailableError
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.server_shelf import connect, open_server_index

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

IDENTITY = IndexIdentity("model-a", 8)


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
