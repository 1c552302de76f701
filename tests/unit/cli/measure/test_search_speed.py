"""`attune bench search`: documents are made up alike each time, and what is true is found without keeping all."""

from pathlib import Path

import numpy as np

from attune.services.cli.measure.search_speed.exact import Exact
from attune.services.cli.measure.search_speed.filling import Plan, measure
from attune.services.cli.measure.search_speed.material import CHUNK, Material, unit, year_of
from attune.services.search.index.settings import IndexSettings

REAL = unit(np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32))
MATERIAL = Material([f"text number {i} of many words" for i in range(50)], REAL)


def test_documents_are_drawn_by_their_number() -> None:
    whole = [each for documents, _ in MATERIAL.chunks(0, 3 * CHUNK) for each in documents]
    later = [each for documents, _ in MATERIAL.chunks(CHUNK, 3 * CHUNK) for each in documents]
    assert whole[CHUNK:] == later
    assert len({each.id for each in whole}) == 3 * CHUNK
    assert whole[7].fields == {"year": float(year_of(7))}
    (_, vectors) = next(MATERIAL.chunks(0, CHUNK))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert Material(MATERIAL.texts, REAL, seed=1).queries(3)[0] != MATERIAL.queries(3)[0]


def test_exact_neighbours_are_those_of_all_vectors_that_came() -> None:
    vectors = unit(np.random.default_rng(1).standard_normal((500, 8)).astype(np.float32))
    queries = vectors[:5]
    exact = Exact(queries, 10)
    assert exact.neighbours(0) == set()
    for start in range(0, 500, 37):
        exact.take(np.arange(start, min(start + 37, 500)), vectors[start : start + 37])
    exact.take(np.arange(0), vectors[:0])
    for place, query in enumerate(queries):
        assert exact.neighbours(place) == {str(each) for each in np.argsort(-(vectors @ query))[:10]}


def test_an_index_that_grows_is_measured_at_each_size(tmp_path: Path) -> None:
    told: list[int] = []
    plan = Plan(tmp_path / "index", [1000, 3000], 10, IndexSettings())
    rows = measure(plan, MATERIAL, told.append)
    assert told[-1] == 3000
    filled = [row for row in rows if "peak_gib" in row]
    assert [row["documents"] for row in filled] == [1000, 3000]
    assert all(row["documents_per_s"] > 0 and row["disk_gib"] > 0 for row in filled)
    stages = [row for row in rows if row["documents"] == 3000 and "stage" in row]
    assert [row["stage"] for row in stages] == ["dense", "dense, one year", "bm25", "bm25, one year", "documents"]
    recall = {row["ranking"]: row["recall_at_10"] for row in rows if row["documents"] == 3000 and "ranking" in row}
    assert recall == {"dense": 1.0, "dense, one year": 1.0}  # scanned, not approximated
    assert all(row["p95_ms_c8"] >= row["p50_ms_c8"] > 0 for row in stages)
