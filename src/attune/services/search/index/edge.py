"""The embedded engine: Qdrant Edge, in this process, in one directory.

Durable: each write is in the engine's write-ahead log before `put` returns, so a killed process loses nothing; the next
open replays it. `flush` makes it safe from power failures and lets the log shrink; every few thousand points `put`
does so itself.

The engine holds the interpreter lock for the length of a call. Searches and small writes take milliseconds, but
building a vector graph (`optimize`) takes seconds that no other thread would see. So it is built only while opening,
before anyone is served, and only once the segment is so large that scanning it costs more than a few milliseconds;
until then every dense search is exact.
"""

import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast

import qdrant_edge as edge

from attune.services.search.index.bm25 import SparseWeights
from attune.services.search.index.edge_messages import graves, no_news, of_scope, older_than, payload_indexes, to_point
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.passages import PASSAGES
from attune.services.search.index.points import (
    BM25,
    DENSE,
    DIGEST,
    ID,
    SPACE,
    TENANT,
    IndexPoint,
    Payload,
    of_version,
)
from attune.services.search.index.port import Candidate, Scope, Version
from attune.services.search.index.settings import IndexSettings

_SCANNED_ANYWAY_KIB = 10_000
"""Where so few vectors are in question, by tenant and filter, they are scanned: 6,800 documents at 384 dimensions."""

_QUANTILE = 0.99
"""Of the values of vectors that int8 tells apart: the few beyond are cut off, and the others told apart more finely."""

_POINTS_PER_FLUSH = 4096
_MOST_TENANTS = 1_000_000


class EdgeEngine:
    """`qdrant.Engine` over one shard. Reads need no lock; writes take turns, so that `remove` counts truly."""

    def __init__(self, shard: edge.EdgeShard, settings: IndexSettings) -> None:
        self._shard = shard
        self._params = _search_params(settings)
        self._writing = threading.Lock()
        self._unflushed = 0

    def put(self, points: Sequence[IndexPoint]) -> None:
        free = [to_point(point) for point in points if point.version is None and not point.fed]
        fed = [to_point(point) for point in points if point.fed]
        versioned = [(to_point(point), older_than(point.version)) for point in points if point.version]
        with self._writing:
            if free:
                self._shard.update(edge.UpdateOperation.upsert_points(free))
            if fed:
                self._shard.update(edge.UpdateOperation.upsert_points(fed, condition=no_news()))
            for point, older in versioned:
                self._shard.update(edge.UpdateOperation.upsert_points([point], condition=older))
            self._unflushed += len(points)
            if self._unflushed >= _POINTS_PER_FLUSH:
                self._flush()

    def mark(self, points: Sequence[tuple[str, str, Version]]) -> None:
        with self._writing:
            for point, digest, version in points:
                same = edge.FieldCondition(DIGEST, match=edge.MatchValue(digest))
                chosen = edge.Filter(must=[edge.HasIdCondition({point}), same, older_than(version)])
                self._shard.update(edge.UpdateOperation.set_payload_by_filter(chosen, of_version(version)))

    def remove(self, point_ids: Collection[str]) -> int:
        with self._writing:
            records = self._shard.retrieve(list(point_ids), with_payload=[TENANT], with_vector=False)
            ids = [record.id for record in records if record.payload]
            self._shard.update(edge.UpdateOperation.delete_points(ids))
        return len(ids)

    def payloads(self, point_ids: Collection[str], fields: Sequence[str] | None) -> list[Payload]:
        wanted = True if fields is None else list(fields)
        records = self._shard.retrieve(list(point_ids), with_payload=wanted, with_vector=False)
        return [record.payload or {} for record in records]

    def vectors(self, point_ids: Collection[str]) -> list[tuple[Payload, list[float]]]:
        fields = [ID, TENANT, SPACE]
        records = self._shard.retrieve(list(point_ids), with_payload=fields, with_vector=[DENSE])
        return [(record.payload or {}, vector) for record in records if (vector := _dense(record))]

    def count(self, tenant: str) -> int:
        return self._shard.count(edge.CountRequest(exact=True, filter=of_scope(Scope(tenant))))

    def tenants(self) -> dict[str, int]:
        found = self._shard.facet(edge.FacetRequest(TENANT, limit=_MOST_TENANTS, exact=True))
        return {str(hit.value): hit.count for hit in found.hits if hit.count}

    def sweep(self) -> None:
        with self._writing:
            self._shard.update(edge.UpdateOperation.delete_points_by_filter(graves()))

    def holds(self, scopes: Sequence[Scope]) -> list[bool]:
        return [bool(self._shard.scroll(_any_point_of(scope))[0]) for scope in scopes]

    def passages(self, point_ids: Collection[str]) -> list[tuple[Payload, list[list[float]]]]:
        fields = [ID, TENANT, SPACE, PASSAGES]
        records = self._shard.retrieve(list(point_ids), with_payload=fields, with_vector=[PASSAGES])
        return [(record.payload or {}, rows) for record in records if (rows := _rows(record))]

    def nearest(self, scope: Scope, vector: list[float], limit: int, using: str) -> list[Candidate]:
        return self._search(edge.Query.Nearest(vector, using=using), scope, limit, self._params)

    def matching(self, scope: Scope, weights: SparseWeights, limit: int) -> list[Candidate]:
        query = edge.Query.Nearest(edge.SparseVector(weights.indices, weights.values), using=BM25)
        params = edge.SearchParams(idf=edge.IdfParams(corpus=of_scope(Scope(scope.tenant))))
        return self._search(query, scope, limit, params)

    def flush(self) -> None:
        with self._writing:
            self._flush()

    def close(self) -> None:
        with self._writing:
            self._shard.close()

    def _flush(self) -> None:
        self._shard.flush()
        self._unflushed = 0

    def _search(self, query: edge.Query, scope: Scope, limit: int, params: edge.SearchParams) -> list[Candidate]:
        request = edge.QueryRequest(query=query, filter=of_scope(scope), limit=limit, params=params, with_payload=[ID])
        return [Candidate((found.payload or {})[ID], found.score) for found in self._shard.query(request)]


def make_shard(path: Path, dimension: int, settings: IndexSettings) -> None:
    """An empty one."""
    edge.EdgeShard.create(str(path), _config(dimension, settings)).close()


def load_shard(path: Path, dimension: int, fields: DeclaredFields) -> edge.EdgeShard:
    """Open a shard, with what indexes and graph are missing."""
    shard = edge.EdgeShard.load(str(path))
    # One of before passages has no such vector; where there is one, this changes nothing.
    shard.update(
        edge.UpdateOperation.create_dense_vector(
            PASSAGES, dimension, edge.Distance.Cosine, multivector_config=_best_row()
        )
    )
    _index_payload(shard, fields)
    shard.optimize()
    return shard


def _index_payload(shard: edge.EdgeShard, fields: DeclaredFields) -> None:
    """Have indexes of what searches are narrowed by, and of nothing else."""
    wanted, found = payload_indexes(fields), shard.info().payload_schema
    for key in found.keys() - wanted.keys():
        shard.update(edge.UpdateOperation.delete_field_index(key))
    for key in wanted.keys() - found.keys():
        shard.update(edge.UpdateOperation.create_field_index(key, wanted[key]))


def _config(dimension: int, settings: IndexSettings) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        vectors={
            DENSE: edge.EdgeVectorParams(dimension, edge.Distance.Cosine),
            PASSAGES: edge.EdgeVectorParams(dimension, edge.Distance.Cosine, multivector_config=_best_row()),
        },
        sparse_vectors={BM25: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        # Every search is within a tenant: links within it (payload_m) instead of across all of them (m).
        hnsw_config=edge.HnswIndexConfig(
            m=0, payload_m=settings.links, ef_construct=settings.build_width, full_scan_threshold=_SCANNED_ANYWAY_KIB
        ),
        quantization_config=edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=_QUANTILE)
        if settings.is_quantized
        else None,
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=settings.scanned_mib * 1024),
    )


def _search_params(settings: IndexSettings) -> edge.SearchParams:
    quantization = None
    if settings.is_quantized:
        quantization = edge.QuantizationSearchParams(rescore=True, oversampling=settings.oversampling)
    return edge.SearchParams(hnsw_ef=settings.search_width, quantization=quantization)


def _dense(record: edge.Record) -> list[float]:
    """Empty for what is no document."""
    vectors = record.vector if isinstance(record.vector, dict) else {}
    return cast("list[float]", vectors.get(DENSE) or [])


def _rows(record: edge.Record) -> list[list[float]]:
    """The vectors of its passages; none where it has no passages."""
    vectors = record.vector if isinstance(record.vector, dict) else {}
    return cast("list[list[float]]", vectors.get(PASSAGES) or [])


def _best_row() -> edge.MultiVectorConfig:
    return edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)


def _any_point_of(scope: Scope) -> edge.ScrollRequest:
    return edge.ScrollRequest(limit=1, filter=of_scope(scope), with_payload=False, with_vector=False)
