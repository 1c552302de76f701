"""Passages of documents, on every engine: the nearest one counts, and they come and go with their document."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models
from tests.contract.conftest import DIMENSION, IDENTITY, Opener

from attune.services.search.index.errors import InvalidVectorError
from attune.services.search.index.passages import Passages
from attune.services.search.index.points import BM25, DENSE
from attune.services.search.index.port import Document, Index, IndexedDocument, Version
from attune.services.search.index.server_shelf import open_server_index

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")


def axis(place: int) -> np.ndarray:
    return np.eye(DIMENSION, dtype=np.float32)[place]


def passages(*places: int, space: str = "") -> Passages:
    spans = [(10 * row, 10 * row + 10) for row in range(len(places))]
    return Passages(spans, np.stack([axis(place) for place in places]), space)


def put(index: Index, document_id: str, at: int, cut: Passages | None = None, **fields: object) -> None:
    document = Document(document_id, "title", f"text of {document_id}", **({"domain": ""} | fields))  # type: ignore[arg-type]
    indexed = IndexedDocument.of(document, cut.space if cut else "")
    index.upsert("acme", [indexed], axis(at)[np.newaxis], {document_id: cut} if cut else {})


def found(index: Index, place: int, limit: int = 10, **how: object) -> list[tuple[str, float]]:
    candidates = index.dense("acme", axis(place), limit, **how)  # type: ignore[arg-type]
    return [(each.id, round(each.score, 5)) for each in candidates]


def test_a_document_is_as_near_as_its_nearest_passage_and_is_found_once(index: Index) -> None:
    put(index, "long", 0, passages(0, 3, 4))
    put(index, "short", 1)
    assert found(index, 4) == [("long", 1.0), ("short", 0.0)]
    assert found(index, 0) == [("long", 1.0), ("short", 0.0)]
    assert found(index, 1) == [("short", 1.0), ("long", 0.0)]
    assert index.count("acme") == 2


def test_many_passages_of_one_document_take_one_place(index: Index) -> None:
    put(index, "long", 0, passages(*[5] * 40))
    for number in range(9):
        put(index, f"short{number}", 1)
    nearest = found(index, 5, limit=3)
    assert nearest[0] == ("long", 1.0)
    assert len({each for each, _ in nearest}) == 3


def test_passages_come_back_with_their_spans(index: Index) -> None:
    put(index, "long", 0, passages(0, 3, space="law@1"))
    put(index, "short", 1)
    assert list(index.passages("acme", ["long", "short", "missing"])) == ["long"]
    kept = index.passages("acme", ["long"])["long"]
    assert (list(kept.spans), kept.space) == ([(0, 10), (10, 20)], "law@1")
    np.testing.assert_allclose(kept.vectors, np.stack([axis(0), axis(3)]), atol=1e-6)
    assert kept.best(axis(3)) == ((10, 20), pytest.approx(1.0))
    documents = index.documents("acme", ["long", "short"])
    assert (documents["long"].spans, documents["short"].spans) == (((0, 10), (10, 20)), ())
    assert index.passages("globex", ["long"]) == {}
    assert index.passages("acme", []) == {}


def test_replacing_and_deleting_a_document_takes_its_passages(index: Index) -> None:
    put(index, "long", 0, passages(0, 3, 4))
    put(index, "long", 0, passages(0, 5))
    assert found(index, 4) == [("long", 0.0)]
    assert found(index, 5) == [("long", 1.0)]
    put(index, "long", 0)
    assert index.passages("acme", ["long"]) == {}
    assert found(index, 5) == [("long", 0.0)]
    put(index, "long", 0, passages(0, 3))
    assert index.delete("acme", ["long"]) == 1
    assert found(index, 3) == []
    assert index.passages("acme", ["long"]) == {}


def test_retiring_a_document_takes_its_passages_and_an_older_version_brings_none_back(index: Index) -> None:
    def write(offset: int, cut: Passages) -> None:
        indexed = IndexedDocument.of(Document("long", "t", f"{offset}", ""), version=Version(0, offset, 0))
        index.upsert("acme", [indexed], axis(0)[np.newaxis], {"long": cut})

    write(5, passages(0, 3))
    write(4, passages(0, 4))
    assert (found(index, 3), found(index, 4)) == ([("long", 1.0)], [("long", 0.0)])
    index.retire("acme", {"long": Version(0, 6, 0)})
    assert found(index, 3) == []
    write(5, passages(0, 3))
    assert found(index, 3) == []


def test_passages_are_within_tenant_domain_and_space_of_their_document(index: Index) -> None:
    put(index, "law", 0, passages(0, 3, space="law@1"), domain="law")
    put(index, "other", 1, passages(1, 3), domain="other")
    assert found(index, 3, domains=["other"]) == [("other", 1.0)]
    assert found(index, 3, space="law@1") == [("law", 1.0)]
    assert found(index, 3, space="") == [("other", 1.0)]
    assert index.dense("globex", axis(3), 10) == []
    assert index.inhabited("acme", ["law", "other", "nosuch"]) == {"law", "other"}


@pytest.mark.parametrize(
    "cut",
    [
        Passages([], np.empty((0, DIMENSION), np.float32)),
        Passages([(0, 1)], np.ones((2, DIMENSION), np.float32)),
        Passages([(0, 1)], np.ones((1, DIMENSION + 1), np.float32)),
        Passages([(0, 1)], np.full((1, DIMENSION), np.nan, np.float32)),
    ],
)
def test_passages_that_are_none_are_refused_and_nothing_is_written(index: Index, cut: Passages) -> None:
    with pytest.raises(InvalidVectorError, match="the passages of 'long'"):
        put(index, "long", 0, cut)
    assert index.count("acme") == 0


def test_passages_last(open_index: Opener) -> None:
    opened = open_index()
    put(opened, "long", 0, passages(0, 3))
    opened.close()
    opened = open_index()
    assert found(opened, 3) == [("long", 1.0)]
    assert opened.documents("acme", ["long"])["long"].spans == ((0, 10), (10, 20))
    opened.close()


def test_an_index_of_before_passages_gets_them(tmp_path) -> None:
    client = QdrantClient(path=str(tmp_path / "local"))
    client.create_collection(
        "old",
        vectors_config={DENSE: models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)},
        sparse_vectors_config={BM25: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        metadata=IDENTITY.to_manifest(),
    )
    opened = open_server_index(client, "old", IDENTITY)
    put(opened, "long", 0, passages(0, 3))
    assert found(opened, 3) == [("long", 1.0)]
    opened.close()


def by_hand(query: np.ndarray, vectors: dict[str, np.ndarray], limit: int) -> list[str]:
    scores = {each: float((rows @ query).max()) for each, rows in vectors.items()}
    return sorted(scores, key=lambda each: (-scores[each], each))[:limit]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(0, 6), min_size=1, max_size=12), seed=st.integers(0, 1000), limit=st.integers(1, 12))
def test_the_order_is_that_of_the_best_passages(index: Index, counts: Sequence[int], seed: int, limit: int) -> None:
    rng = np.random.default_rng(seed)

    def unit(rows: int) -> np.ndarray:
        drawn = rng.standard_normal((rows, DIMENSION)).astype(np.float32)
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    tenant = f"t{seed}-{len(counts)}-{limit}-{sum(counts)}"
    index.delete(tenant, [str(place) for place in range(12)])
    vectors: dict[str, np.ndarray] = {}
    for place, count in enumerate(counts):
        rows = unit(count + 1)
        vectors[str(place)] = rows
        cut = {str(place): Passages([(i, i + 1) for i in range(count)], rows[1:])} if count else {}
        index.upsert(tenant, [IndexedDocument.of(Document(str(place), "t", "", ""))], rows[:1], cut)
    query = unit(1)[0]
    assert [each.id for each in index.dense(tenant, query, limit)] == by_hand(query, vectors, limit)
