"""Points and filters as a Qdrant server is told them."""

from qdrant_client import models

from attune.services.search.index.passages import PASSAGES
from attune.services.search.index.points import (
    BM25,
    DENSE,
    DIGEST,
    DOMAIN,
    LOGGED_MS,
    OFFSET,
    PARTITION,
    SPACE,
    TENANT,
    IndexPoint,
)
from attune.services.search.index.port import Scope, Version


def to_struct(point: IndexPoint) -> models.PointStruct:
    """A point with the vectors that it has."""
    vectors: dict[str, list[float] | list[list[float]] | models.SparseVector] = {}
    if point.dense is not None:
        vectors[DENSE] = point.dense
    if point.bm25 is not None:
        vectors[BM25] = models.SparseVector(indices=point.bm25.indices, values=point.bm25.values)
    if point.passages is not None:
        vectors[PASSAGES] = point.passages
    return models.PointStruct(id=point.id, vector=vectors, payload=point.payload)


def older_than(version: Version) -> models.Filter:
    """Points that the version is after."""
    here = models.FieldCondition(key=PARTITION, match=models.MatchValue(value=version.partition))
    before = models.FieldCondition(key=OFFSET, range=models.Range(lt=version.offset))
    not_later = models.FieldCondition(key=LOGGED_MS, range=models.Range(lte=version.logged_ms))
    return models.Filter(
        should=[
            models.IsEmptyCondition(is_empty=models.PayloadField(key=OFFSET)),
            models.Filter(must=[here, before]),
            models.Filter(must_not=[here], must=[not_later]),
        ]
    )


def point_to_mark(point: str, digest: str, version: Version) -> models.Filter:
    """That point, if it has the digest and an older version."""
    same = models.FieldCondition(key=DIGEST, match=models.MatchValue(value=digest))
    return models.Filter(must=[models.HasIdCondition(has_id=[point]), same, older_than(version)])


def of_scope(scope: Scope) -> models.Filter:
    """The documents that a search looks at."""
    conditions: list[models.Condition] = [
        models.FieldCondition(key=TENANT, match=models.MatchValue(value=scope.tenant))
    ]
    if scope.domains:
        conditions.append(models.FieldCondition(key=DOMAIN, match=models.MatchAny(any=list(scope.domains))))
    if scope.space:
        conditions.append(models.FieldCondition(key=SPACE, match=models.MatchValue(value=scope.space)))
    elif scope.space is not None:
        conditions.append(models.IsEmptyCondition(is_empty=models.PayloadField(key=SPACE)))
    return models.Filter(must=conditions)
