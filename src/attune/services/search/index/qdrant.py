"""One generation of the index, over any Qdrant engine. What differs between embedded and server is behind `Engine`."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np

from attune.services.search.index.bm25 import Bm25Encoder, SparseWeights
from attune.services.search.index.errors import InvalidQueryError
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.forward_index import READ
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.narrowing import EVERYTHING, Within, may_see
from attune.services.search.index.passages import PASSAGES, Passages, require_passages, to_spans
from attune.services.search.index.points import (
    DENSE,
    DIGEST,
    ID,
    LIVE,
    SPACE,
    TENANT,
    VERSION,
    WITHOUT_TEXTS,
    IndexPoint,
    Origin,
    Payload,
    log_offset_id,
    passages_mark_id,
    point_id,
    require_matrix,
    require_vector,
    to_document,
    to_grave,
    to_log_offset,
    to_mark,
    to_passages_mark,
    to_point,
    to_vector,
    to_version,
)
from attune.services.search.index.port import (
    NO_PASSAGES,
    Candidate,
    Document,
    FloatMatrix,
    FloatVector,
    IndexedDocument,
    Scope,
    SpaceVector,
    ToRank,
    Version,
)
from attune.services.search.index.ranking_reads import RankingReads

_BATCH = 128
"""Documents per engine call: bounds a request's size, and how long the embedded engine holds the interpreter."""
_MOST_PARTITIONS = 1024


class Engine(Protocol):
    """Stores points and ranks them. Knows Qdrant's types, and nothing of documents.

    Every method blocks and may be called from several threads.
    """

    def put(self, points: Sequence[IndexPoint]) -> None:
        """Write points. One with a version is written where the point of its id has none, or an older one, as
        `Version.is_after` says, and one that is `fed` where the point of its id is so too, or there is none; the engine
        looks at the moment of writing.
        """

    def mark(self, points: Sequence[tuple[str, str, Version]]) -> None:
        """Set the versions of points: (id, digest, version), of those that have the digest and no later version."""

    def remove(self, point_ids: Collection[str]) -> int:
        """Remove those of the points that are documents; returns how many of them there were."""

    def payloads(self, point_ids: Collection[str], fields: Sequence[str] | None) -> list[Payload]:
        """`fields` (None: all) of the points that exist, in any order."""

    def vectors(self, point_ids: Collection[str], fields: Sequence[str]) -> Iterable[tuple[Payload, list[float]]]:
        """`fields` and the dense vectors of those of the points that are documents. Lists of floats are large: each is
        best packed before the next one is asked for.
        """

    def count(self, tenant: str) -> int: ...

    def tenants(self) -> dict[str, int]:
        """How many documents each tenant has; only tenants that have any."""

    def sweep(self) -> None:
        """Delete what is left of documents that were deleted while this was being built."""

    def holds(self, scopes: Sequence[Scope]) -> list[bool]:
        """For each scope, whether any point is in it."""

    def passages(self, point_ids: Collection[str]) -> list[tuple[Payload, list[list[float]]]]:
        """Of those of the points that have passages: id, tenant, space and spans, and the passages' vectors."""

    def nearest(self, scope: Scope, vector: list[float], limit: int, using: str) -> list[Candidate]:
        """Points by one of their vectors, DENSE or PASSAGES; by the nearest row, where it has several. An engine that
        `RankingReads` stands before tells digests, here and in `matching`.
        """

    def matching(self, scope: Scope, weights: SparseWeights, limit: int) -> list[Candidate]: ...

    def flush(self) -> None: ...

    def settle(self, timeout_s: float) -> bool:
        """Wait until what was written is in vector graphs, as far as it is to be; false where that takes longer."""

    def close(self) -> None: ...


class QdrantIndex:
    """What `port.Index` says, over an engine that was opened for `identity`."""

    def __init__(
        self, engine: Engine, identity: IndexIdentity, fields: DeclaredFields, reads: RankingReads | None = None
    ) -> None:
        """`reads`: where nobody else writes to the engine's points, and it tells digests of what it finds."""
        self._engine = engine
        self._reads = reads
        self._fields = fields
        self._dimension = identity.dimension
        self._encoder = Bm25Encoder(identity.bm25_average_length)
        self._with_passages: set[str] = set()
        """Tenants that are known to have some."""

    def upsert(
        self,
        tenant: str,
        documents: Sequence[IndexedDocument],
        vectors: FloatMatrix,
        passages: Mapping[str, Passages] = NO_PASSAGES,
        *,
        live: bool = False,
    ) -> None:
        """See `port.Index.upsert`. `live`: this is being built, and what is fed to it must not replace these."""
        self._put(tenant, documents, vectors, passages, Origin.LIVE if live else Origin.ANY)

    def feed(
        self,
        tenant: str,
        documents: Sequence[IndexedDocument],
        vectors: FloatMatrix,
        passages: Mapping[str, Passages] = NO_PASSAGES,
    ) -> None:
        """The same with documents that are no news: they replace neither what was written live, nor its deletion."""
        self._put(tenant, documents, vectors, passages, Origin.FED)

    def _put(
        self,
        tenant: str,
        documents: Sequence[IndexedDocument],
        vectors: FloatMatrix,
        passages: Mapping[str, Passages],
        origin: Origin,
    ) -> None:
        require_matrix(documents, vectors, self._dimension)
        require_passages(passages, self._dimension)
        if passages and not self._may_have_passages(tenant):
            self._engine.put([to_passages_mark(tenant)])
        for start in range(0, len(documents), _BATCH):
            batch = slice(start, start + _BATCH)
            rows = zip(documents[batch], vectors[batch], strict=True)
            points = [
                to_point(tenant, indexed, row, self._encoder, passages.get(indexed.document.id), origin)
                for indexed, row in rows
            ]
            taken = partial(self._taken, tenant, points, vectors[batch])
            with self._writing(tenant, [each.document.id for each in documents[batch]], taken):
                self._engine.put(points)

    def _taken(
        self, tenant: str, points: Sequence[IndexPoint], vectors: FloatMatrix
    ) -> list[tuple[Payload, FloatVector]]:
        """What the engine has of points that it was given: those that depend on what it had, it may have refused."""
        there = self.digests(tenant, [each.payload[ID] for each in points if each.version or each.fed])
        return [
            (each.payload, row)
            for each, row in zip(points, vectors, strict=True)
            if not (each.version or each.fed) or there.get(each.payload[ID]) == each.payload[DIGEST]
        ]

    def digests(self, tenant: str, ids: Sequence[str]) -> dict[str, str]:
        return {payload[ID]: payload[DIGEST] for payload in self._payloads(tenant, ids, (ID, DIGEST, TENANT))}

    def delete(self, tenant: str, ids: Sequence[str]) -> int:
        with self._writing(tenant, ids):
            return self._engine.remove(_point_ids(tenant, ids)) if ids else 0

    def bury(self, tenant: str, ids: Sequence[str]) -> int:
        """Remove documents of what is being built so that they cannot be fed any more; how many of them there were."""
        there = len(self.digests(tenant, ids))
        if ids:
            with self._writing(tenant, ids):
                self._engine.put([to_grave(tenant, each) for each in dict.fromkeys(ids)])
        return there

    def written_live(self, tenant: str, ids: Sequence[str]) -> frozenset[str]:
        """Those of the ids that are not to be fed."""
        payloads = self._engine.payloads(_point_ids(tenant, ids), (ID, LIVE, *VERSION)) if ids else []
        return frozenset(payload[ID] for payload in payloads if LIVE in payload or to_version(payload))

    def sweep(self) -> None:
        self._engine.sweep()

    def tenants(self) -> dict[str, int]:
        """How many documents each tenant has."""
        return self._engine.tenants()

    def log_offsets(self) -> dict[int, int]:
        """Of all partitions that anything was read of."""
        ids = [log_offset_id(partition) for partition in range(_MOST_PARTITIONS)]
        found = [to_version(payload) for payload in self._engine.payloads(ids, VERSION)]
        return {each.partition: each.offset for each in found if each}

    def retire(self, tenant: str, deletions: Mapping[str, Version]) -> None:
        with self._writing(tenant, deletions):
            self._engine.put([to_mark(tenant, each, version) for each, version in deletions.items()])

    def confirm(self, tenant: str, documents: Sequence[IndexedDocument]) -> None:
        versions = [(point_id(tenant, each.document.id), each.digest, each.version) for each in documents]
        self._engine.mark([(each, digest, version) for each, digest, version in versions if version])

    def versions(self, tenant: str, ids: Sequence[str]) -> dict[str, Version]:
        payloads = self._engine.payloads(_point_ids(tenant, ids), (ID, *VERSION)) if ids else []
        return {payload[ID]: version for payload in payloads if (version := to_version(payload))}

    def log_offset(self, partition: int) -> int:
        payloads = self._engine.payloads([log_offset_id(partition)], VERSION)
        return next((version.offset for payload in payloads if (version := to_version(payload))), 0)

    def move_log_offset(self, partition: int, offset: int) -> None:
        self._engine.put([to_log_offset(partition, offset)])

    def get(self, tenant: str, document_id: str, principals: Sequence[str] | None = None) -> Document | None:
        return self.documents(tenant, [document_id], principals).get(document_id)

    def documents(
        self, tenant: str, ids: Sequence[str], principals: Sequence[str] | None = None
    ) -> dict[str, Document]:
        return _seen_by(principals, self._read(tenant, ids, None))

    def to_rank(self, tenant: str, ids: Sequence[str], principals: Sequence[str] | None = None) -> ToRank:
        read = partial(self._read, tenant, fields=WITHOUT_TEXTS)
        found = self._reads.to_rank(tenant, ids, read) if self._reads else ToRank(read(ids), {})
        return replace(found, documents=_seen_by(principals, found.documents))

    def passages(self, tenant: str, ids: Sequence[str]) -> dict[str, Passages]:
        found = self._engine.passages(_point_ids(tenant, ids)) if ids else []
        return {
            payload[ID]: Passages(to_spans(payload), np.array(rows, np.float32), payload.get(SPACE, ""))
            for payload, rows in found
        }

    def vectors(self, tenant: str, ids: Sequence[str], space: str | None = None) -> dict[str, FloatVector]:
        if self._reads:
            found = self._reads.vectors(tenant, ids, partial(self._read_vectors, tenant, fields=READ))
        else:
            found = {payload[ID]: each for payload, each in self._read_vectors(tenant, ids, (ID, SPACE))}
        return {id_: each.vector for id_, each in found.items() if space is None or each.space == space}

    def count(self, tenant: str) -> int:
        return self._engine.count(tenant)

    def inhabited(self, tenant: str, domains: Sequence[str], principals: Sequence[str] | None = None) -> frozenset[str]:
        within = _within(principals)
        return self._having(domains, [Scope(tenant, (domain,), within=within) for domain in domains])

    def inhabited_spaces(
        self, tenant: str, spaces: Sequence[str], principals: Sequence[str] | None = None
    ) -> frozenset[str]:
        within = _within(principals)
        return self._having(spaces, [Scope(tenant, space=space, within=within) for space in spaces])

    def dense(
        self,
        tenant: str,
        vector: FloatVector,
        limit: int,
        domains: Sequence[str] = (),
        space: str | None = None,
        within: Within = EVERYTHING,
    ) -> list[Candidate]:
        _require_limit(limit)
        require_vector(vector, self._dimension)
        scope = Scope(tenant, tuple(domains), space, within)
        found = self._ranked(tenant, self._engine.nearest(scope, vector.tolist(), limit, DENSE))
        if not self._may_have_passages(tenant):
            return found
        near = self._ranked(tenant, self._engine.nearest(scope, vector.tolist(), limit, PASSAGES))
        return _best_of([*found, *near], limit)

    def bm25(
        self, tenant: str, text: str, limit: int, domains: Sequence[str] = (), within: Within = EVERYTHING
    ) -> list[Candidate]:
        _require_limit(limit)
        weights = self._encoder.query(text, within.languages)
        if not weights:
            return []
        scope = Scope(tenant, tuple(domains), within=within)
        return self._ranked(tenant, self._engine.matching(scope, weights, limit))

    def flush(self) -> None:
        self._engine.flush()

    def settle(self, timeout_s: float) -> bool:
        """Wait for vector graphs: see `Engine.settle`."""
        return self._engine.settle(timeout_s)

    def close(self) -> None:
        self._engine.close()

    def _may_have_passages(self, tenant: str) -> bool:
        """Costs a look-up until there are some; a search of vectors that nobody has looks at every point."""
        if tenant not in self._with_passages and self._engine.payloads([passages_mark_id(tenant)], (PASSAGES,)):
            self._with_passages.add(tenant)
        return tenant in self._with_passages

    def _having(self, names: Sequence[str], scopes: Sequence[Scope]) -> frozenset[str]:
        found = self._engine.holds(scopes) if scopes else []
        return frozenset(name for name, any_document in zip(names, found, strict=True) if any_document)

    def _read(self, tenant: str, ids: Sequence[str], fields: Sequence[str] | None) -> dict[str, Document]:
        payloads = self._payloads(tenant, ids, fields)
        return {payload[ID]: to_document(payload, self._fields.types) for payload in payloads}

    def _read_vectors(
        self, tenant: str, ids: Sequence[str], fields: Sequence[str]
    ) -> Iterable[tuple[Payload, SpaceVector]]:
        found = self._engine.vectors(_point_ids(tenant, ids), fields) if ids else ()
        return ((payload, SpaceVector(payload.get(SPACE, ""), to_vector(values))) for payload, values in found)

    def _ranked(self, tenant: str, found: Sequence[Candidate]) -> list[Candidate]:
        """What the engine found, in the order of `port.Index`."""
        if self._reads:
            self._reads.note(tenant, found)
        return _ranked(found)

    def _writing(
        self, tenant: str, ids: Collection[str], taken: Callable[[], list[tuple[Payload, FloatVector]]] = list
    ) -> AbstractContextManager[None]:
        """See `RankingReads.writing`."""
        return self._reads.writing(tenant, ids, taken) if self._reads else nullcontext()

    def _payloads(self, tenant: str, ids: Sequence[str], fields: Sequence[str] | None) -> list[Payload]:
        """Of documents: what is left of those that were deleted in the log has no tenant."""
        payloads = self._engine.payloads(_point_ids(tenant, ids), fields) if ids else []
        return [payload for payload in payloads if TENANT in payload]


def _point_ids(tenant: str, ids: Sequence[str]) -> set[str]:
    return {point_id(tenant, document_id) for document_id in ids}


def _seen_by(principals: Sequence[str] | None, documents: Mapping[str, Document]) -> dict[str, Document]:
    return {id_: each for id_, each in documents.items() if may_see(principals, each.principals)}


def _within(principals: Sequence[str] | None) -> Within:
    return Within(None if principals is None else tuple(principals))


def _require_limit(limit: int) -> None:
    if limit < 1:
        raise InvalidQueryError(f"limit is {limit}: ask for at least 1 candidate")


def _best_of(candidates: Sequence[Candidate], limit: int) -> list[Candidate]:
    """Each document once, by the better of its scores."""
    best: dict[str, Candidate] = {}
    for each in candidates:
        if each.id not in best or each.score > best[each.id].score:
            best[each.id] = each
    return _ranked(list(best.values()))[:limit]


def _ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Equal scores come from the engine in no fixed order; by id, they are the same on every run."""
    return sorted(candidates, key=lambda candidate: (-candidate.score, candidate.id))
