"""The index over any Qdrant engine. What differs between embedded and server is behind `Engine`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np

from attune.services.search.index.bm25 import Bm25Encoder, SparseWeights
from attune.services.search.index.errors import InvalidQueryError
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.points import (
    DIGEST,
    ID,
    SPACE,
    TENANT,
    VERSION,
    IndexPoint,
    Payload,
    log_offset_id,
    point_id,
    require_matrix,
    require_vector,
    to_document,
    to_log_offset,
    to_mark,
    to_point,
    to_version,
)
from attune.services.search.index.port import (
    Candidate,
    Document,
    FloatMatrix,
    FloatVector,
    IndexedDocument,
    Scope,
    Version,
)

_BATCH = 128
"""Documents per engine call: bounds a request's size, and how long the embedded engine holds the interpreter."""


class Engine(Protocol):
    """Stores points and ranks them. Knows Qdrant's types, and nothing of documents.

    Every method blocks and may be called from several threads.
    """

    def put(self, points: Sequence[IndexPoint]) -> None:
        """Write points. One with a version is written where the point of its id has none, or an older one, as
        `Version.is_after` says; the engine looks at the moment of writing.
        """

    def mark(self, points: Sequence[tuple[str, str, Version]]) -> None:
        """Set the versions of points: (id, digest, version), of those that have the digest and no later version."""

    def remove(self, point_ids: Collection[str]) -> int:
        """Remove those of the points that are documents; returns how many of them there were."""

    def payloads(self, point_ids: Collection[str], fields: Sequence[str] | None) -> list[Payload]:
        """`fields` (None: all) of the points that exist, in any order."""

    def vectors(self, point_ids: Collection[str]) -> list[tuple[Payload, list[float]]]:
        """Of those of the points that are documents: id, tenant and space, and the dense vector."""

    def count(self, tenant: str) -> int: ...

    def holds(self, scopes: Sequence[Scope]) -> list[bool]:
        """For each scope, whether any point is in it."""

    def nearest(self, scope: Scope, vector: list[float], limit: int) -> list[Candidate]: ...

    def matching(self, scope: Scope, weights: SparseWeights, limit: int) -> list[Candidate]: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class QdrantIndex:
    """`port.Index` over an engine that was opened for `identity`."""

    def __init__(self, engine: Engine, identity: IndexIdentity) -> None:
        self._engine = engine
        self._dimension = identity.dimension
        self._encoder = Bm25Encoder(identity.bm25_average_length)

    def upsert(self, tenant: str, documents: Sequence[IndexedDocument], vectors: FloatMatrix) -> None:
        require_matrix(documents, vectors, self._dimension)
        for start in range(0, len(documents), _BATCH):
            batch = slice(start, start + _BATCH)
            rows = zip(documents[batch], vectors[batch], strict=True)
            self._engine.put([to_point(tenant, indexed, row, self._encoder) for indexed, row in rows])

    def digests(self, tenant: str, ids: Sequence[str]) -> dict[str, str]:
        return {payload[ID]: payload[DIGEST] for payload in self._payloads(tenant, ids, (ID, DIGEST, TENANT))}

    def delete(self, tenant: str, ids: Sequence[str]) -> int:
        return self._engine.remove(_point_ids(tenant, ids)) if ids else 0

    def retire(self, tenant: str, deletions: Mapping[str, Version]) -> None:
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

    def get(self, tenant: str, document_id: str) -> Document | None:
        return self.documents(tenant, [document_id]).get(document_id)

    def documents(self, tenant: str, ids: Sequence[str]) -> dict[str, Document]:
        return {payload[ID]: to_document(payload) for payload in self._payloads(tenant, ids, None)}

    def vectors(self, tenant: str, ids: Sequence[str], space: str | None = None) -> dict[str, FloatVector]:
        found = self._engine.vectors(_point_ids(tenant, ids)) if ids else []
        return {
            payload[ID]: np.asarray(vector, np.float32)
            for payload, vector in found
            if space is None or payload.get(SPACE, "") == space
        }

    def count(self, tenant: str) -> int:
        return self._engine.count(tenant)

    def inhabited(self, tenant: str, domains: Sequence[str]) -> frozenset[str]:
        if not domains:
            return frozenset()
        found = self._engine.holds([Scope(tenant, (domain,)) for domain in domains])
        return frozenset(domain for domain, any_document in zip(domains, found, strict=True) if any_document)

    def inhabited_spaces(self, tenant: str, spaces: Sequence[str]) -> frozenset[str]:
        if not spaces:
            return frozenset()
        found = self._engine.holds([Scope(tenant, space=space) for space in spaces])
        return frozenset(space for space, any_document in zip(spaces, found, strict=True) if any_document)

    def dense(
        self, tenant: str, vector: FloatVector, limit: int, domains: Sequence[str] = (), space: str | None = None
    ) -> list[Candidate]:
        _require_limit(limit)
        require_vector(vector, self._dimension)
        return _ranked(self._engine.nearest(Scope(tenant, tuple(domains), space), vector.tolist(), limit))

    def bm25(self, tenant: str, text: str, limit: int, domains: Sequence[str] = ()) -> list[Candidate]:
        _require_limit(limit)
        weights = self._encoder.query(text)
        if not weights:
            return []
        return _ranked(self._engine.matching(Scope(tenant, tuple(domains)), weights, limit))

    def flush(self) -> None:
        self._engine.flush()

    def close(self) -> None:
        self._engine.close()

    def _payloads(self, tenant: str, ids: Sequence[str], fields: Sequence[str] | None) -> list[Payload]:
        """Of documents: what is left of those that were deleted in the log has no tenant."""
        payloads = self._engine.payloads(_point_ids(tenant, ids), fields) if ids else []
        return [payload for payload in payloads if TENANT in payload]


def _point_ids(tenant: str, ids: Sequence[str]) -> set[str]:
    return {point_id(tenant, document_id) for document_id in ids}


def _require_limit(limit: int) -> None:
    if limit < 1:
        raise InvalidQueryError(f"limit is {limit}: ask for at least 1 candidate")


def _ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Equal scores come from the engine in no fixed order; by id, they are the same on every run."""
    return sorted(candidates, key=lambda candidate: (-candidate.score, candidate.id))
