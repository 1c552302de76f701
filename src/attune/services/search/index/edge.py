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
from typing import cast

import qdrant_edge as edge

from attune.services.search.index.bm25 import SparseWeights
from attune.services.search.index.directory import IndexDirectory
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.points import (
    BM25,
    DENSE,
    DIGEST,
    DOMAIN,
    ID,
    LOGGED_MS,
    OFFSET,
    PARTITION,
    SPACE,
    TENANT,
    IndexPoint,
    Payload,
    of_version,
)
from attune.services.search.index.port import Candidate, Scope, Version
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
        free = [_to_edge(point) for point in points if point.version is None]
        versioned = [(_to_edge(point), _older(point.version)) for point in points if point.version]
        with self._writing:
            if free:
                self._shard.update(edge.UpdateOperation.upsert_points(free))
            for point, older in versioned:
                self._shard.update(edge.UpdateOperation.upsert_points([point], condition=older))
            self._unflushed += len(points)
            if self._unflushed >= _POINTS_PER_FLUSH:
                self._flush()

    def mark(self, points: Sequence[tuple[str, str, Version]]) -> None:
        with self._writing:
            for point, digest, version in points:
                same = edge.FieldCondition(DIGEST, match=edge.MatchValue(digest))
                chosen = edge.Filter(must=[edge.HasIdCondition({point}), same, _older(version)])
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


def _dense(record: edge.Record) -> list[float]:
    """Empty for what is no document."""
    vectors = record.vector if isinstance(record.vector, dict) else {}
    return cast("list[float]", vectors.get(DENSE) or [])


def _to_edge(point: IndexPoint) -> edge.Point:
    vectors: dict[str, list[float] | edge.SparseVector | list[list[float]]] = {}
    if point.dense is not None:
        vectors[DENSE] = point.dense
    if point.bm25 is not None:
        vectors[BM25] = edge.SparseVector(point.bm25.indices, point.bm25.values)
    return edge.Point(point.id, vectors, point.payload)


def _older(version: Version) -> edge.Filter:
    """Points that the version is after."""
    here = edge.FieldCondition(PARTITION, match=edge.MatchValue(version.partition))
    before = edge.FieldCondition(OFFSET, range=edge.RangeFloat(lt=version.offset))
    not_later = edge.FieldCondition(LOGGED_MS, range=edge.RangeFloat(lte=version.logged_ms))
    return edge.Filter(
        should=[
            edge.IsEmptyCondition(OFFSET),
            edge.Filter(must=[here, before]),
            edge.Filter(must_not=[here], must=[not_later]),
        ]
    )


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
