"""The distributed engine: a collection on a Qdrant server or cluster (1.19 or later), through qdrant-client.

One collection holds all tenants' documents of a generation; see `server_shelf`. The server builds its graphs and
flushes its log by itself; a write returns once it is applied. With several shards, BM25's term statistics are those of
a tenant's documents within each shard.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from attune.services.search.index.bm25 import SparseWeights
from attune.services.search.index.errors import IndexMismatchError, IndexUnavailableError
from attune.services.search.index.fields import DeclaredFields
from attune.services.search.index.identity import IndexIdentity, known_fields, require_same
from attune.services.search.index.passages import PASSAGES
from attune.services.search.index.points import BM25, DENSE, FIELDS, ID, SPACE, TENANT, IndexPoint, Payload, of_version
from attune.services.search.index.port import Candidate, Scope, Version
from attune.services.search.index.records import dense_of, rows_of, search_params
from attune.services.search.index.server_messages import (
    graves,
    no_news,
    of_scope,
    older_than,
    payload_indexes,
    point_to_mark,
    to_struct,
)
from attune.services.search.index.settings import IndexSettings

_MOST_TENANTS = 1_000_000
_ASKED_AGAIN_S = 0.2
_QUANTIZATION = models.ScalarQuantization(
    scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
)


class ServerEngine:
    """`qdrant.Engine` over one collection. Raises IndexUnavailableError when the server does not answer or refuses."""

    def __init__(self, client: QdrantClient, collection: str, settings: IndexSettings) -> None:
        self._client = client
        self._collection = collection
        self._params = search_params(models.SearchParams, models.QuantizationSearchParams, settings)

    def put(self, points: Sequence[IndexPoint]) -> None:
        free = [to_struct(point) for point in points if point.version is None and not point.fed]
        fed = [to_struct(point) for point in points if point.fed]
        versioned = [(to_struct(point), older_than(point.version)) for point in points if point.version]
        operations: list[models.UpdateOperation] = [
            models.UpsertOperation(upsert=models.PointsList(points=[point], update_filter=older))
            for point, older in versioned
        ]
        with answering(self._collection):
            if free:
                self._client.upsert(self._collection, free, wait=True)
            if fed:
                self._client.upsert(self._collection, fed, wait=True, update_filter=no_news())
            if operations:
                self._client.batch_update_points(self._collection, operations, wait=True)

    def mark(self, points: Sequence[tuple[str, str, Version]]) -> None:
        operations: list[models.UpdateOperation] = [
            models.SetPayloadOperation(
                set_payload=models.SetPayload(payload=of_version(version), filter=point_to_mark(point, digest, version))
            )
            for point, digest, version in points
        ]
        if operations:
            with answering(self._collection):
                self._client.batch_update_points(self._collection, operations, wait=True)

    def remove(self, point_ids: Collection[str]) -> int:
        """Counts before it deletes: of two clients that delete one document at once, both may count it."""
        ids = list(point_ids)
        found = sum(bool(payload) for payload in self.payloads(ids, (TENANT,)))
        documents = models.Filter(
            must=[models.HasIdCondition(has_id=ids)],
            must_not=[models.IsEmptyCondition(is_empty=models.PayloadField(key=TENANT))],
        )
        with answering(self._collection):
            self._client.delete(self._collection, models.FilterSelector(filter=documents), wait=True)
        return found

    def payloads(self, point_ids: Collection[str], fields: Sequence[str] | None) -> list[Payload]:
        wanted = True if fields is None else list(fields)
        with answering(self._collection):
            records = self._client.retrieve(self._collection, list(point_ids), with_payload=wanted)
        return [record.payload or {} for record in records]

    def vectors(self, point_ids: Collection[str], fields: Sequence[str]) -> list[tuple[Payload, list[float]]]:
        with answering(self._collection):
            records = self._client.retrieve(
                self._collection, list(point_ids), with_payload=list(fields), with_vectors=[DENSE]
            )
        return [(record.payload or {}, vector) for record in records if (vector := dense_of(record.vector))]

    def count(self, tenant: str) -> int:
        with answering(self._collection):
            return self._client.count(self._collection, count_filter=of_scope(Scope(tenant)), exact=True).count

    def tenants(self) -> dict[str, int]:
        with answering(self._collection):
            found = self._client.facet(self._collection, TENANT, limit=_MOST_TENANTS, exact=True)
        return {str(hit.value): hit.count for hit in found.hits if hit.count}

    def sweep(self) -> None:
        with answering(self._collection):
            self._client.delete(self._collection, models.FilterSelector(filter=graves()), wait=True)

    def holds(self, scopes: Sequence[Scope]) -> list[bool]:
        requests = [models.QueryRequest(filter=of_scope(scope), limit=1) for scope in scopes]
        with answering(self._collection):
            responses = self._client.query_batch_points(self._collection, requests)
        return [bool(response.points) for response in responses]

    def passages(self, point_ids: Collection[str]) -> list[tuple[Payload, list[list[float]]]]:
        fields = [ID, TENANT, SPACE, PASSAGES]
        with answering(self._collection):
            records = self._client.retrieve(
                self._collection, list(point_ids), with_payload=fields, with_vectors=[PASSAGES]
            )
        return [(record.payload or {}, rows) for record in records if (rows := rows_of(record.vector))]

    def nearest(self, scope: Scope, vector: list[float], limit: int, using: str) -> list[Candidate]:
        return self._search(vector if using == DENSE else [vector], using, scope, limit, self._params)

    def matching(self, scope: Scope, weights: SparseWeights, limit: int) -> list[Candidate]:
        query = models.SparseVector(indices=weights.indices, values=weights.values)
        corpus = models.IdfCorpusParams(corpus=of_scope(Scope(scope.tenant)))
        return self._search(query, BM25, scope, limit, models.SearchParams(idf=corpus))

    def flush(self) -> None:
        """Nothing to do: an acknowledged write is in the server's log."""

    def settle(self, timeout_s: float) -> bool:
        """Until the server has nothing left to build."""
        until = time.monotonic() + timeout_s
        while not self._is_settled():
            if time.monotonic() > until:
                return False
            time.sleep(_ASKED_AGAIN_S)
        return True

    def close(self) -> None:
        """Nothing to do: the client is the shelf's."""

    def _is_settled(self) -> bool:
        with answering(self._collection):
            return self._client.get_collection(self._collection).status is models.CollectionStatus.GREEN

    def _search(
        self,
        query: list[float] | list[list[float]] | models.SparseVector,
        using: str,
        scope: Scope,
        limit: int,
        params: models.SearchParams,
    ) -> list[Candidate]:
        with answering(self._collection):
            response = self._client.query_points(
                self._collection,
                query=query,
                using=using,
                query_filter=of_scope(scope),
                limit=limit,
                search_params=params,
                with_payload=[ID],
            )
        return [Candidate((point.payload or {})[ID], point.score) for point in response.points]


@contextmanager
def answering(collection: str) -> Iterator[None]:
    """Errors of the server, in a sentence."""
    try:
        yield
    except (ApiException, QdrantException) as error:
        reason = f"status {error.status_code}" if isinstance(error, UnexpectedResponse) else str(error)
        raise IndexUnavailableError(
            f"the Qdrant server of collection {collection!r} failed ({reason}): check its address, API key and health"
        ) from error


def create_collection(
    client: QdrantClient, collection: str, identity: IndexIdentity, fields: DeclaredFields, settings: IndexSettings
) -> None:
    """Create the collection, unless another replica of this service does so at the same moment."""
    try:
        client.create_collection(
            collection,
            vectors_config={
                DENSE: models.VectorParams(size=identity.dimension, distance=models.Distance.COSINE),
                PASSAGES: models.VectorParams(
                    size=identity.dimension, distance=models.Distance.COSINE, multivector_config=_best_row()
                ),
            },
            sparse_vectors_config={BM25: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            # Every search is within a tenant: links within it (payload_m) instead of across all of them (m).
            hnsw_config=models.HnswConfigDiff(m=0, payload_m=settings.links, ef_construct=settings.build_width),
            quantization_config=_QUANTIZATION if settings.is_quantized else None,
            shard_number=settings.shards,
            replication_factor=settings.replicas,
            write_consistency_factor=settings.write_consistency,
            metadata={**identity.to_manifest(), "fields": {name: str(kind) for name, kind in fields}},
        )
    except ApiException:
        if not client.collection_exists(collection):
            raise


def require_identity(client: QdrantClient, collection: str, identity: IndexIdentity, mend: str) -> None:
    """Raises IndexMismatchError where the collection was written for another identity, or is none of ours."""
    config = client.get_collection(collection).config
    where = f"the collection {collection!r}"
    require_same(identity, config.metadata or {}, where=where, mend=mend)
    vectors = config.params.vectors
    dense = vectors.get(DENSE) if isinstance(vectors, dict) else None
    if dense is None or dense.size != identity.dimension:
        raise IndexMismatchError(f"{where} has no vector named {DENSE!r} of size {identity.dimension}: {mend}")


def index_payload(client: QdrantClient, collection: str, fields: DeclaredFields, mend: str) -> None:
    """Have indexes of what searches are narrowed by, and of no other field."""
    found = client.get_collection(collection)
    metadata = found.config.metadata or {}
    known = known_fields(fields, metadata, where=f"the collection {collection!r}", mend=mend)
    if known != metadata.get("fields", {}):
        client.update_collection(collection, metadata={"fields": known})
    wanted, schema = payload_indexes(fields), found.payload_schema
    for key in (key for key in schema if key.startswith(f"{FIELDS}.") and key not in wanted):
        client.delete_payload_index(collection, key)
    for key, kind in wanted.items():
        if key not in schema:
            client.create_payload_index(collection, key, kind)


def _best_row() -> models.MultiVectorConfig:
    return models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)


def add_passages(client: QdrantClient, collection: str, identity: IndexIdentity) -> None:
    """A collection of before passages has no such vector; another replica of this service may add it at this moment."""
    if _has_passages(client, collection):
        return
    vector = models.DenseVectorConfig(
        size=identity.dimension, distance=models.Distance.COSINE, multivector_config=_best_row()
    )
    try:
        client.create_vector_name(collection, PASSAGES, models.DenseVectorNameConfig(dense=vector))
    except ApiException:
        if not _has_passages(client, collection):
            raise


def _has_passages(client: QdrantClient, collection: str) -> bool:
    vectors = client.get_collection(collection).config.params.vectors
    return isinstance(vectors, dict) and PASSAGES in vectors
