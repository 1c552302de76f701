"""The embedded engine: Qdrant Edge, in this process, in one directory.

Durable: each write is in the engine's write-ahead log before `put` returns, so a killed process loses nothing; the next
open replays it. `flush` makes it safe from power failures and lets the log shrink; every few thousand points `put`
does so itself.

The engine holds the interpreter lock for the length of a call. Searches and small writes take milliseconds, but
building a vector graph (`optimize`) takes seconds that no other thread would see. So it is built only while opening,
before anyone is served, and only once the segment is so large that scanning it costs more than a few milliseconds;
until then every dense search is exact.
"""

import shutil
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

import qdrant_edge as edge

from attune.services.search.index.bm25 import SparseWeights
from attune.services.search.index.directory import IndexDirectory
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.points import BM25, DENSE, DOMAIN, ID, SPACE, TENANT, IndexPoint, Payload
from attune.services.search.index.port import Candidate, Scope
from attune.services.search.index.qdrant import QdrantIndex

_SCANNED_KIB = 200 * 1024
"""Vectors scanned rather than put into a graph: 200 MiB, about 136,000 documents at 384 dimensions."""

_POINTS_PER_FLUSH = 4096


def open_edge_index(path: Path, identity: IndexIdentity) -> QdrantIndex:
    """Open the index in `path`, or make it. Takes as long as re-reading the log and building what graph is missing.

    Raises:
        IndexLockedError: another process has it open.
        IndexMismatchError: it was written for another identity.
    """
    directory = IndexDirectory(path)
    try:
        directory.admit(identity)
        if not directory.shard.exists():
            _create_shard(directory, identity)
        shard = edge.EdgeShard.load(str(directory.shard))
        shard.optimize()
    except BaseException:
        directory.release()
        raise
    return QdrantIndex(EdgeEngine(shard, directory), identity)


class EdgeEngine:
    """`qdrant.Engine` over one shard. Reads need no lock; writes take turns, so that `remove` counts truly."""

    def __init__(self, shard: edge.EdgeShard, directory: IndexDirectory) -> None:
        self._shard = shard
        self._directory = directory
        self._writing = threading.Lock()
        self._unflushed = 0

    def put(self, points: Sequence[IndexPoint]) -> None:
        operation = edge.UpdateOperation.upsert_points([_to_edge(point) for point in points])
        with self._writing:
            self._shard.update(operation)
            self._unflushed += len(points)
            if self._unflushed >= _POINTS_PER_FLUSH:
                self._flush()

    def remove(self, point_ids: Collection[str]) -> int:
        ids: list[edge.PointId] = list(point_ids)
        with self._writing:
            found = len(self._shard.retrieve(ids, with_payload=False, with_vector=False))
            self._shard.update(edge.UpdateOperation.delete_points(ids))
        return found

    def payloads(self, point_ids: Collection[str], fields: Sequence[str] | None) -> list[Payload]:
        wanted = True if fields is None else list(fields)
        records = self._shard.retrieve(list(point_ids), with_payload=wanted, with_vector=False)
        return [record.payload or {} for record in records]

    def count(self, tenant: str) -> int:
        return self._shard.count(edge.CountRequest(exact=True, filter=_filter(Scope(tenant))))

    def holds(self, scopes: Sequence[Scope]) -> list[bool]:
        return [bool(self._shard.scroll(_any_point_of(scope))[0]) for scope in scopes]

    def nearest(self, scope: Scope, vector: list[float], limit: int) -> list[Candidate]:
        return self._search(edge.Query.Nearest(vector, using=DENSE), scope, limit, edge.SearchParams())

    def matching(self, scope: Scope, weights: SparseWeights, limit: int) -> list[Candidate]:
        query = edge.Query.Nearest(edge.SparseVector(weights.indices, weights.values), using=BM25)
        params = edge.SearchParams(idf=edge.IdfParams(corpus=_filter(Scope(scope.tenant))))
        return self._search(query, scope, limit, params)

    def flush(self) -> None:
        with self._writing:
            self._flush()

    def close(self) -> None:
        with self._writing:
            self._shard.close()
            self._directory.release()

    def _flush(self) -> None:
        self._shard.flush()
        self._unflushed = 0

    def _search(self, query: edge.Query, scope: Scope, limit: int, params: edge.SearchParams) -> list[Candidate]:
        request = edge.QueryRequest(query=query, filter=_filter(scope), limit=limit, params=params, with_payload=[ID])
        return [Candidate((found.payload or {})[ID], found.score) for found in self._shard.query(request)]


def _create_shard(directory: IndexDirectory, identity: IndexIdentity) -> None:
    """Make an empty shard aside and rename it, so that a crash leaves none rather than half of one."""
    shutil.rmtree(directory.unfinished_shard, ignore_errors=True)
    shard = edge.EdgeShard.create(str(directory.unfinished_shard), _config(identity.dimension))
    tenant_index = edge.KeywordIndexParams(is_tenant=True)
    shard.update(edge.UpdateOperation.create_field_index(TENANT, tenant_index))
    shard.update(edge.UpdateOperation.create_field_index(DOMAIN, edge.PayloadSchemaType.Keyword))
    shard.close()
    directory.unfinished_shard.rename(directory.shard)


def _config(dimension: int) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        vectors={DENSE: edge.EdgeVectorParams(dimension, edge.Distance.Cosine)},
        sparse_vectors={BM25: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        # Every search is within a tenant: links within it (payload_m) instead of across all of them (m).
        hnsw_config=edge.HnswIndexConfig(m=0, payload_m=16, ef_construct=100, full_scan_threshold=10_000),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_SCANNED_KIB),
    )


def _to_edge(point: IndexPoint) -> edge.Point:
    bm25 = edge.SparseVector(point.bm25.indices, point.bm25.values)
    return edge.Point(point.id, {DENSE: point.dense, BM25: bm25}, point.payload)


def _any_point_of(scope: Scope) -> edge.ScrollRequest:
    return edge.ScrollRequest(limit=1, filter=_filter(scope), with_payload=False, with_vector=False)


def _filter(scope: Scope) -> edge.Filter:
    conditions: list[edge.ConditionType] = [edge.FieldCondition(TENANT, match=edge.MatchValue(scope.tenant))]
    if scope.domains:
        conditions.append(edge.FieldCondition(DOMAIN, match=edge.MatchAny(list(scope.domains))))
    if scope.space:
        conditions.append(edge.FieldCondition(SPACE, match=edge.MatchValue(scope.space)))
    elif scope.space is not None:
        conditions.append(edge.IsEmptyCondition(SPACE))
    return edge.Filter(must=conditions)
