"""`attune bench search`: documents are made up alike each time, and what is true is found without keeping all."""

from pathlib import Path

import numpy as np
import pytest

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.history import MOST_READINGS
from attune.knowledge_store.model import UserKey
from attune.search.v1.search_pb2 import SearchResponse, SearchTimings
from attune.services.cli.measure.report import Row
from attune.services.cli.measure.search_speed.command import summary_of
from attune.services.cli.measure.search_speed.exact import Exact
from attune.services.cli.measure.search_speed.filling import Plan, measure
from attune.services.cli.measure.search_speed.material import CHUNK, Material, unit, year_of
from attune.services.cli.measure.search_speed.people import ENTITIES, FULL, settle_people
from attune.services.cli.measure.search_speed.whole import WHOLE, Seen
from attune.services.runtime.call import DEFAULT_TENANT
from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.stores import open_store
from attune.services.search.index.identity import IndexIdentity
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
    plan = Plan(tmp_path / "index", IndexIdentity("model-a", 8), [1000, 3000], 10, IndexSettings())
    rows = [row for of_size in measure(plan, MATERIAL, told.append) for row in of_size]
    assert told[-1] == 3000
    filled = [row for row in rows if "peak_gib" in row]
    assert [row["documents"] for row in filled] == [1000, 3000]
    assert all(row["documents_per_s"] > 0 and row["held_gib"] > 0 and row["disk_gib"] > 0 for row in filled)
    stages = [row for row in rows if row["documents"] == 3000 and "stage" in row]
    assert [row["stage"] for row in stages] == [
        "dense",
        "dense, one year",
        "bm25",
        "bm25, one year",
        "documents, to rank",
        "documents, of a page",
    ]
    recall = {row["ranking"]: row["recall_at_10"] for row in rows if row["documents"] == 3000 and "ranking" in row}
    assert recall == {"dense": 1.0, "dense, one year": 1.0}  # scanned, not approximated
    assert all(row["p95_ms_c8"] >= row["p50_ms_c8"] > 0 for row in stages)
    again = [row for of_size in measure(plan, MATERIAL, told.append) for row in of_size]
    assert [row for row in again if "peak_gib" in row] == filled  # nothing is written twice
    (tmp_path / "filled-3000.json").unlink()
    with pytest.raises(ConfigError, match="nobody knows how the index was filled"):
        list(measure(plan, MATERIAL, told.append))


def test_no_two_queries_are_the_same() -> None:
    texts, _ = MATERIAL.queries(500)
    assert len(set(texts)) == 500


def test_documents_are_those_that_the_full_user_has_read_about_entities_that_are_known(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path)
    settle_people(config, MATERIAL.texts, CHUNK)
    catalog = Catalog.load(config.catalog)
    store = open_store(config)
    view = store.view(UserKey(DEFAULT_TENANT, FULL))
    known = view.states
    store.close()
    (documents, _) = next(MATERIAL.chunks(0, CHUNK))
    assert {each.text for each in view.history.readings} <= {document.id for document in documents}
    assert len(view.history.readings) == MOST_READINGS
    assert len(catalog) == ENTITIES
    assert len(known) == 512
    assert {each for document in documents for each in document.entity_ids} <= {entity.id for entity in catalog}


def test_stages_of_a_whole_search_add_up_to_what_the_caller_sees() -> None:
    seen = Seen()
    for whole_ms in (20.0, 40.0):
        timings = SearchTimings(embed_ms=5, retrieve_ms=3, personalize_ms=2, total_ms=12)
        seen.take(SearchResponse(timings=timings), whole_ms)
    rows = {str(row["stage"]): row for row in seen.rows(1000, 1, "", 8, seconds=0.5)}
    assert rows[WHOLE]["p50_ms"] == 30
    assert rows["page and answer"]["p50_ms"] == 2
    assert rows["gRPC"]["p95_ms"] > 20
    assert sum(float(row["share"]) for stage, row in rows.items() if stage != WHOLE) == 1
    assert {(row["user"], row["searches_per_s"]) for row in rows.values()} == {("nobody", 4.0)}


def test_the_summary_is_of_the_most_documents_and_of_the_worst_recall() -> None:
    rows: list[Row] = [{"embedded": 100, "embedded_per_s": 15.0}]
    for size, recall in ((1000, 0.97), (3000, 0.99)):
        rows.append(
            {"documents": size, "documents_per_s": 2.0, "held_gib": 0.25, "peak_gib": 0.5, "graph_peak_gib": 0.25}
        )
        rows += [{"documents": size, "ranking": each, "recall_at_10": recall} for each in ("dense", "dense, one year")]
        for processes, part in ((1, 100), (3, 300)):
            seen = Seen()
            seen.take(SearchResponse(timings=SearchTimings(personalize_ms=size / part / 10)), size / part)
            rows += [row for together in (1, 8) for row in seen.rows(size, processes, FULL, together, 1.0)]
    found = summary_of(rows)
    assert (found["documents_indexed"], found["ann_recall_at_10"]) == (3000, 0.97)
    assert (found["index_peak_gib"], found["index_peak_mapped_gib"]) == (0.25, 0.75)
    assert (found["personal_p99_ms"], found["search_p95_ms_c8"]) == (3, 30)
    assert (found["personal_p99_ms_apart"], found["search_p95_ms_c8_apart"]) == (1, 10)
