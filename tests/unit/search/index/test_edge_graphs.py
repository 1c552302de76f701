"""Vector graphs of the embedded engine: built beside the searches, of what serves then, and close to exact."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge
from structlog.testing import capture_logs

from attune.services.search.index import edge_graphs
from attune.services.search.index.edge_graphs import EdgeGraphs
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.generational import GenerationalIndex
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Document, FloatMatrix, IndexedDocument, Target
from attune.services.search.index.settings import IndexSettings

IDENTITY = IndexIdentity("model-a", 32)
SETTINGS = IndexSettings(scanned_kib=64, scanned_anyway_kib=10)
"""A graph of so few documents that a test can afford it."""
SCANNED = 512
MANY = 800
WITHIN_S = 60


@pytest.fixture(autouse=True)
def no_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs are built as soon as they are due."""
    monkeypatch.setattr(edge_graphs, "_QUIET_S", 0.0)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[GenerationalIndex]:
    opened = open_edge_index(tmp_path, IDENTITY, settings=SETTINGS)
    yield opened
    close(opened)


def close(index: GenerationalIndex) -> None:
    with suppress(OSError):  # it is closed, and so is its lock
        index.close()


def clustered(count: int, seed: int) -> FloatMatrix:
    """Unit vectors around twenty centres, as texts are around subjects."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((20, IDENTITY.dimension))
    found = centres[random.integers(20, size=count)] + 0.7 * random.standard_normal((count, IDENTITY.dimension))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def put(into: Target, vectors: FloatMatrix, first: int = 0, text: str = "word") -> None:
    documents = [IndexedDocument.of(Document(str(first + i), "", text, "d")) for i in range(len(vectors))]
    into.upsert("acme", documents, vectors)


def vectors_in_graphs(shard: Path) -> int:
    opened = qdrant_edge.EdgeShard.load(str(shard))
    info = opened.info()
    opened.close()
    return info.indexed_vectors_count - info.points_count  # the words of each document count as one of them


def recall(index: GenerationalIndex, vectors: FloatMatrix) -> float:
    hits = 0
    for query in clustered(50, seed=9):
        exact = {str(i) for i in np.argsort(-(vectors @ query))[:10]}
        hits += len(exact & {each.id for each in index.dense("acme", query, 10)})
    return hits / 500


def test_a_graph_is_built_while_the_index_serves_and_stays_close_to_exact(
    index: GenerationalIndex, tmp_path: Path
) -> None:
    vectors = clustered(MANY, seed=1)
    put(index, vectors)
    assert index.settle(WITHIN_S)
    assert recall(index, vectors) >= 0.98
    index.close()
    assert vectors_in_graphs(tmp_path / "shard.1") == MANY
    assert not (tmp_path / "shard").exists()
    reopened = open_edge_index(tmp_path, IDENTITY, settings=SETTINGS)
    assert reopened.count("acme") == MANY
    assert recall(reopened, vectors) >= 0.98
    reopened.close()


def test_a_rebuilt_generation_gets_its_graph(index: GenerationalIndex, tmp_path: Path) -> None:
    put(index, clustered(10, seed=2))
    vectors = clustered(MANY, seed=1)
    building = index.create_generation()
    put(index.feed(building.name), vectors)
    index.activate_generation(building.name)
    assert index.settle(WITHIN_S)
    assert recall(index, vectors) >= 0.98
    index.close()
    assert vectors_in_graphs(tmp_path / "shard-2.1") == MANY
    assert [each.name for each in tmp_path.glob("shard*")] == ["shard-2.1"]


def test_few_documents_are_scanned(index: GenerationalIndex, tmp_path: Path) -> None:
    put(index, clustered(SCANNED, seed=1))
    assert index.settle(WITHIN_S)
    assert [each.name for each in tmp_path.glob("shard*")] == ["shard"]


class Gate:
    """Holds the building of a graph until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        build = EdgeGraphs._build_in

        def wait_and_build(graphs: EdgeGraphs, path: Path) -> None:
            self.reached.set()
            assert self.opened.wait(WITHIN_S)
            build(graphs, path)

        monkeypatch.setattr(EdgeGraphs, "_build_in", wait_and_build)


def test_what_happens_while_a_graph_is_built_is_in_it_afterwards(
    index: GenerationalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    vectors = clustered(MANY, seed=1)
    put(index, vectors)
    index.flush()
    assert gate.reached.wait(WITHIN_S)
    put(index, vectors[:300], first=MANY, text="late")
    put(index, vectors[300:310], first=0, text="changed")
    assert index.delete("acme", ["20", "21", str(MANY)]) == 3
    assert {each.id for each in index.dense("acme", vectors[305], 2)} == {"5", "305"}
    answers = everything(index)
    gate.opened.set()
    assert index.settle(WITHIN_S)
    assert (tmp_path / "shard.1").exists()
    assert everything(index) == answers
    index.close()
    reopened = open_edge_index(tmp_path, IDENTITY, settings=SETTINGS)
    assert everything(reopened) == answers
    put(reopened, vectors[:1], first=5000, text="afterwards")
    assert [each.id for each in reopened.bm25("acme", "afterwards", 10)] == ["5000"]
    reopened.close()


def everything(index: GenerationalIndex) -> tuple[object, ...]:
    ids = [str(i) for i in range(MANY + 300)]
    by_words = [[each.id for each in index.bm25("acme", word, 1000)] for word in ("late", "changed")]
    return index.count("acme"), index.documents("acme", ids), index.digests("acme", ids), by_words


def test_closing_ends_what_is_being_built(
    index: GenerationalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    put(index, clustered(MANY, seed=1))
    index.flush()
    assert gate.reached.wait(WITHIN_S)
    closing = threading.Thread(target=index.close)
    closing.start()
    gate.opened.set()
    closing.join(WITHIN_S)
    assert [each.name for each in tmp_path.glob("shard*")] == ["shard"]


def test_a_dropped_generation_takes_its_graph_with_it(
    index: GenerationalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    building = index.create_generation()
    put(index.feed(building.name), clustered(MANY, seed=1))
    index.flush()
    assert gate.reached.wait(WITHIN_S)
    gate.opened.set()
    index.drop_generation(building.name)
    assert [each.name for each in tmp_path.glob("shard*")] == ["shard"]


def test_where_the_building_process_fails_searches_go_on(
    index: GenerationalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_graphs, "_MODULE", "attune.there_is_no_such_module")
    vectors = clustered(MANY, seed=1)
    with capture_logs() as logs:
        put(index, vectors)
        assert index.settle(WITHIN_S)
    assert [each["event"] for each in logs] == ["the vector graph was not built: vectors that it lacks are scanned"]
    assert recall(index, vectors) == 1
    assert [each.name for each in tmp_path.glob("shard*")] == ["shard"]
