"""The distributed engine: a collection on a Qdrant server or cluster (1.19 or later), through qdrant-client.

One collection holds all tenants. The server builds its graphs and flushes its log by itself; a write returns once it is
applied. Shards and replicas are the operator's choice: the collection is made with the server's defaults, unless one
of that name, made beforehand with the vectors of `_create` and `IndexIdentity.to_manifest()` as its metadata, is
there. With several shards, BM25's term statistics are those of a tenant's documents within each shard.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from attune.services.search.index.bm25 import SparseWeights
from attune.services.search.index.errors import IndexMismatchError, IndexUnavailableError
from attune.services.search.index.identity import IndexIdentity, require_same
from attune.services.search.index.points import BM25, DENSE, DOMAIN, ID, SPACE, TENANT, IndexPoint, Payload, of_version
from attune.services.search.index.port import Candidate, Scope, Version
from attune.services.search.index.qdrant import QdrantIndex
from attune.services.search.index.server_messages import of_scope, older_than, point_to_mark, to_struct

_MEND = "start with the model that wrote it, or index the documents again into a new collection"
_OLDEST_SERVER = (1, 19)
"""Older servers have no `SearchParams.idf`, and would mix the term statistics of all tenants."""


_TIMEOUT_S = 30
"""How long the server may take to answer one call."""


def connect(url: str, collection: str, identity: IndexIdentity) -> QdrantIndex:
    """Open `collection` on the Qdrant server at `url`, as `open_server_index` does."""
    # Over REST, whose errors are qdrant-client's own; and its version check only warns, where ours refuses.
    client = QdrantClient(url=url, timeout=_TIMEOUT_S, check_compatibility=False)
    try:
        return open_server_index(client, collection, identity)
    except BaseException:
        client.close()
        raise


def open_server_index(client: QdrantClient, collection: str, identity: IndexIdentity) -> QdrantIndex:
    """Open `collection`, or make it where it is missing. The index closes the client.

    Raises:
        IndexUnavailableError: the server does not answer, refuses, or is older than 1.19.
        IndexMismatchError: the collection was written for another identity.
    """
    with _answering(collection):
        _require_version(client.info().version)
        if not client.collection_exists(collection):
            _create(client, collection, identity)
        _require_identity(client, collection, identity)
        _create_payload_indexes(client, collection)
    return QdrantIndex(ServerEngine(client, collection), identity)


class ServerEngine:
    """`qdrant.Engine` over one collection. Raises IndexUnavailableError when the server does not answer or refuses."""

    def __init__(self, client: QdrantClient, collection: str) -> None:
        self._client = client
        self._collection = collection

    def put(self, points: Sequence[IndexPoint]) -> None:
        free = [to_struct(point) for point in points if point.version is None]
        versioned = [(to_struct(point), older_than(point.version)) for point in points if point.version]
        operations: list[models.UpdateOperation] = [
            models.UpsertOperation(upsert=models.PointsList(points=[point], update_filter=older))
            for point, older in versioned
        ]
        with _answering(self._collection):
            if free:
                self._client.upsert(self._collection, free, wait=True)
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
            with _answering(self._collection):
                self._client.batch_update_points(self._collection, operations, wait=True)

    def remove(self, point_ids: Collection[str]) -> int:
        """Counts before it deletes: of two clients that delete one document at once, both may count it."""
        ids = list(point_ids)
        found = sum(bool(payload) for payload in self.payloads(ids, (TENANT,)))
        documents = models.Filter(
            must=[models.HasIdCondition(has_id=ids)],
            must_not=[models.IsEmptyCondition(is_empty=models.PayloadField(key=TENANT))],
        )
        with _answering(self._collection):
            self._client.delete(self._collection, models.FilterSelector(filter=documents), wait=True)
        return found

    def payloads(self, point_ids: Collection[str], fields: Sequence[str] | None) -> list[Payload]:
        wanted = True if fields is None else list(fields)
        with _answering(self._collection):
            records = self._client.retrieve(self._collection, list(point_ids), with_payload=wanted)
        return [record.payload or {} for record in records]

    def vectors(self, point_ids: Collection[str]) -> list[tuple[Payload, list[float]]]:
        with _answering(self._collection):
            records = self._client.retrieve(
                self._collection, list(point_ids), with_payload=[ID, TENANT, SPACE], with_vectors=[DENSE]
            )
        found = [(each.payload or {}, each.vector) for each in records]
        return [(payload, cast("list[float]", own[DENSE])) for payload, own in found if isinstance(own, dict) and own]

    def count(self, tenant: str) -> int:
        with _answering(self._collection):
            return self._client.count(self._collection, count_filter=of_scope(Scope(tenant)), exact=True).count

    def holds(self, scopes: Sequence[Scope]) -> list[bool]:
        requests = [models.QueryRequest(filter=of_scope(scope), limit=1) for scope in scopes]
        with _answering(self._collection):
            responses = self._client.query_batch_points(self._collection, requests)
        return [bool(response.points) for response in responses]

    def nearest(self, scope: Scope, vector: list[float], limit: int) -> list[Candidate]:
        return self._search(vector, DENSE, scope, limit)

    def matching(self, scope: Scope, weights: SparseWeights, limit: int) -> list[Candidate]:
        query = models.SparseVector(indices=weights.indices, values=weights.values)
        corpus = models.IdfCorpusParams(corpus=of_scope(Scope(scope.tenant)))
        return self._search(query, BM25, scope, limit, models.SearchParams(idf=corpus))

    def flush(self) -> None:
        """Nothing to do: an acknowledged write is in the server's log."""

    def close(self) -> None:
        self._client.close()

    def _search(
        self,
        query: list[float] | models.SparseVector,
        using: str,
        scope: Scope,
        limit: int,
        params: models.SearchParams | None = None,
    ) -> list[Candidate]:
        with _answering(self._collection):
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
def _answering(collection: str) -> Iterator[None]:
    try:
        yield
    except (ApiException, QdrantException) as error:
        reason = f"status {error.status_code}" if isinstance(error, UnexpectedResponse) else str(error)
        raise IndexUnavailableError(
            f"the Qdrant server of collection {collection!r} failed ({reason}): check its address, API key and health"
        ) from error


def _require_version(version: str) -> None:
    numbers = tuple(int(number) for number in version.split(".")[:2])
    if numbers < _OLDEST_SERVER:
        raise IndexUnavailableError(
            f"the Qdrant server is version {version}, which mixes the term statistics of all tenants: "
            "upgrade it to 1.19 or later"
        )


def _create(client: QdrantClient, collection: str, identity: IndexIdentity) -> None:
    """Create the collection, unless another replica of this service does so at the same moment."""
    try:
        client.create_collection(
            collection,
            vectors_config={DENSE: models.VectorParams(size=identity.dimension, distance=models.Distance.COSINE)},
            sparse_vectors_config={BM25: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            # Every search is within a tenant: links within it (payload_m) instead of across all of them (m).
            hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
            metadata=identity.to_manifest(),
        )
    except ApiException:
        if not client.collection_exists(collection):
            raise


def _require_identity(client: QdrantClient, collection: str, identity: IndexIdentity) -> None:
    config = client.get_collection(collection).config
    where = f"the collection {collection!r}"
    require_same(identity, config.metadata or {}, where=where, mend=_MEND)
    vectors = config.params.vectors
    dense = vectors.get(DENSE) if isinstance(vectors, dict) else None
    if dense is None or dense.size != identity.dimension:
        raise IndexMismatchError(f"{where} has no vector named {DENSE!r} of size {identity.dimension}: {_MEND}")


def _create_payload_indexes(client: QdrantClient, collection: str) -> None:
    tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    client.create_payload_index(collection, TENANT, tenant)
    client.create_payload_index(collection, DOMAIN, models.PayloadSchemaType.KEYWORD)
