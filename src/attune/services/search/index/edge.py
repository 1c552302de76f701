"""The embedded engine: Qdrant Edge, in this process, in one directory.

Durable: each write is in the engine's write-ahead log before `put` returns, so a killed process loses nothing; the next
open replays it. `flush` makes it safe from power failures and lets the log shrink; every few thousand points `put`
does so itself.

The engine holds the interpreter lock for the length of a call. Searches and small writes take milliseconds, but
building a vector graph takes minutes that no other thread would see. So it is built by another process, in a copy of
the shard that then takes the shard's place; see `edge_graphs`. What is in no graph is scanned, exactly.
"""

import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import qdrant_edge as edge

from attune.services.search.index.bm25 import SparseWeights
from attune.services.search.index.edge_messages import graves, no_news, of_scope, older_than, to_point
from attune.services.search.index.edge_shard import bring_up
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
from attune.services.search.index.records import dense_of, rows_of, search_params
from attune.services.search.index.settings import IndexSettings

_POINTS_PER_FLUSH = 4096
_MOST_TENANTS = 1_000_000
_FEW = 256
"""So many changes can be brought into a copy while writes wait."""
_MOST_ROUNDS = 20
"""Whoever writes faster than what is written can be read waits after so many."""


class Graphs(Protocol):
    """What has vector graphs built of an engine's shard."""

    def look(self) -> None:
        """Some thousand points were written."""

    def settle(self, timeout_s: float) -> bool:
        """See `qdrant.Engine.settle`."""

    def close(self) -> None:
        """No more, before the shard is closed."""


class EdgeEngine:
    """`qdrant.Engine` over one shard. Reads need no lock; writes take turns, so that `remove` counts truly.

    A shard that is replaced stays open as long as somebody reads it.
    """

    def __init__(
        self,
        shard: edge.EdgeShard,
        path: Path,
        settings: IndexSettings,
        graphs: Callable[["EdgeEngine"], "Graphs"],
    ) -> None:
        """`path`: where the shard's files are."""
        self._shard = shard
        self._path = path
        self._params = search_params(edge.SearchParams, edge.QuantizationSearchParams, settings)
        self._writing = threading.Lock()
        self._unflushed = 0
        self._changed: set[str] | None = None
        """Of a copy that is being worked on: the points that were written since it was made."""
        self._swept = False
        self._tenants = set(self.tenants())
        """All that have documents, and perhaps some that had."""
        self.written = 0
        """Points, since it was opened or last copied."""
        self.written_at = time.monotonic()
        self._graphs = graphs(self)

    def put(self, points: Sequence[IndexPoint]) -> None:
        free = [to_point(point) for point in points if point.version is None and not point.fed]
        fed = [to_point(point) for point in points if point.fed]
        versioned = [(to_point(point), older_than(point.version)) for point in points if point.version]
        with self._writing:
            self._tenants.update(point.payload[TENANT] for point in points if TENANT in point.payload)
            if free:
                self._shard.update(edge.UpdateOperation.upsert_points(free))
            if fed:
                self._shard.update(edge.UpdateOperation.upsert_points(fed, condition=no_news()))
            for point, older in versioned:
                self._shard.update(edge.UpdateOperation.upsert_points([point], condition=older))
            self._wrote([point.id for point in points])
            if is_full := self._unflushed >= _POINTS_PER_FLUSH:
                self._flush()
        if is_full:
            self._graphs.look()

    def mark(self, points: Sequence[tuple[str, str, Version]]) -> None:
        with self._writing:
            for point, digest, version in points:
                same = edge.FieldCondition(DIGEST, match=edge.MatchValue(digest))
                chosen = edge.Filter(must=[edge.HasIdCondition({point}), same, older_than(version)])
                self._shard.update(edge.UpdateOperation.set_payload_by_filter(chosen, of_version(version)))
            self._wrote([point for point, _, _ in points])

    def remove(self, point_ids: Collection[str]) -> int:
        with self._writing:
            records = self._shard.retrieve(list(point_ids), with_payload=[TENANT], with_vector=False)
            ids = [record.id for record in records if record.payload]
            self._shard.update(edge.UpdateOperation.delete_points(ids))
            self._wrote([str(each) for each in ids])
        return len(ids)

    def payloads(self, point_ids: Collection[str], fields: Sequence[str] | None) -> list[Payload]:
        wanted = True if fields is None else list(fields)
        records = self._shard.retrieve(list(point_ids), with_payload=wanted, with_vector=False)
        return [record.payload or {} for record in records]

    def vectors(self, point_ids: Collection[str], fields: Sequence[str]) -> Iterator[tuple[Payload, list[float]]]:
        for record in self._shard.retrieve(list(point_ids), with_payload=list(fields), with_vector=[DENSE]):
            if vector := dense_of(record.vector):
                yield record.payload or {}, vector

    def count(self, tenant: str) -> int:
        return self._shard.count(edge.CountRequest(exact=True, filter=of_scope(Scope(tenant))))

    def tenants(self) -> dict[str, int]:
        found = self._shard.facet(edge.FacetRequest(TENANT, limit=_MOST_TENANTS, exact=True))
        return {str(hit.value): hit.count for hit in found.hits if hit.count}

    def sweep(self) -> None:
        with self._writing:
            self._sweep(self._shard)
            self._swept = True

    def holds(self, scopes: Sequence[Scope]) -> list[bool]:
        return [bool(self._shard.scroll(_any_point_of(scope))[0]) for scope in scopes]

    def passages(self, point_ids: Collection[str]) -> list[tuple[Payload, list[list[float]]]]:
        fields = [ID, TENANT, SPACE, PASSAGES]
        records = self._shard.retrieve(list(point_ids), with_payload=fields, with_vector=[PASSAGES])
        return [(record.payload or {}, rows) for record in records if (rows := rows_of(record.vector))]

    def nearest(self, scope: Scope, vector: list[float], limit: int, using: str) -> list[Candidate]:
        return self._search(edge.Query.Nearest(vector, using=using), scope, limit, self._params)

    def matching(self, scope: Scope, weights: SparseWeights, limit: int) -> list[Candidate]:
        query = edge.Query.Nearest(edge.SparseVector(weights.indices, weights.values), using=BM25)
        # To count in a tenant's documents takes as long as all else, times eight, for 100,000 of them. A tenant that is
        # alone has the counts of the whole shard, which forgets what was deleted when it builds its graph anew.
        is_alone = self._tenants <= {scope.tenant}
        params = edge.SearchParams(idf=None if is_alone else edge.IdfParams(corpus=of_scope(Scope(scope.tenant))))
        return self._search(query, scope, limit, params)

    def flush(self) -> None:
        with self._writing:
            self._flush()
        self._graphs.look()

    def settle(self, timeout_s: float) -> bool:
        return self._graphs.settle(timeout_s)

    def close(self) -> None:
        self._graphs.close()
        with self._writing:
            self._shard.close()

    def size(self) -> int:
        """How many points there are: documents, and what is left of those that were deleted."""
        return self._shard.info().points_count

    def copy_to(self, path: Path) -> None:
        """Copy the shard's files, and note from now on what is written. Writes wait meanwhile, reads do not."""
        with self._writing:
            self._flush()
            shutil.copytree(self._path, path)
            self._changed, self._swept, self.written = set(), False, 0

    def forget_copy(self) -> None:
        """Nothing comes of it."""
        with self._writing:
            self._changed = None

    def replace(self, shard: edge.EdgeShard, path: Path, publish: Callable[[], None]) -> None:
        """Bring what was written since into a copy that is open, and go on with that once `publish` has made it the one
        that the next start opens. Writes wait for the last few changes.
        """
        changed = self._taken()
        for _ in range(_MOST_ROUNDS):
            if len(changed) <= _FEW:
                break
            bring_up(shard, self._shard, changed)
            changed = self._taken()
        shard.flush()
        with self._writing:
            bring_up(shard, self._shard, changed | (self._changed or set()))
            if self._swept:
                self._sweep(shard)
            shard.flush()
            publish()
            self._shard, replaced, self._path = shard, self._path, path
            self._changed, self._unflushed = None, 0
        shutil.rmtree(replaced, ignore_errors=True)

    def _taken(self) -> set[str]:
        with self._writing:
            taken, self._changed = self._changed or set(), set()
        return taken

    def _wrote(self, point_ids: Sequence[str]) -> None:
        self._unflushed += len(point_ids)
        self.written += len(point_ids)
        self.written_at = time.monotonic()
        if self._changed is not None:
            self._changed.update(point_ids)

    def _flush(self) -> None:
        self._shard.flush()
        self._unflushed = 0

    @staticmethod
    def _sweep(shard: edge.EdgeShard) -> None:
        shard.update(edge.UpdateOperation.delete_points_by_filter(graves()))

    def _search(self, query: edge.Query, scope: Scope, limit: int, params: edge.SearchParams) -> list[Candidate]:
        request = edge.QueryRequest(
            query=query, filter=of_scope(scope), limit=limit, params=params, with_payload=[ID, DIGEST]
        )
        found = ((each.payload or {}, each.score) for each in self._shard.query(request))
        return [Candidate(payload[ID], score, payload[DIGEST]) for payload, score in found]


def _any_point_of(scope: Scope) -> edge.ScrollRequest:
    return edge.ScrollRequest(limit=1, filter=of_scope(scope), with_payload=False, with_vector=False)
