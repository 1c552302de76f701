"""Points and filters as a Qdrant server is told them."""

from collections.abc import Sequence
from datetime import datetime

from qdrant_client import models

from attune.services.search.index.conditions import scope_conditions
from attune.services.search.index.fields import DeclaredFields, FieldType
from attune.services.search.index.passages import PASSAGES
from attune.services.search.index.points import (
    BM25,
    DENSE,
    DIGEST,
    DOMAIN,
    LANGUAGES,
    LIVE,
    LOGGED_MS,
    OFFSET,
    PARTITION,
    PRINCIPALS,
    TENANT,
    IndexPoint,
    field_key,
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


def no_news() -> models.Filter:
    """Points that were fed to what is being built, and not written since."""
    return models.Filter(must=[_empty(LIVE), _empty(OFFSET)])


def graves() -> models.Filter:
    """What is left of documents that were deleted while this was being built."""
    return models.Filter(must=[_empty(TENANT), _empty(OFFSET)], must_not=[_empty(LIVE)])


def _empty(key: str) -> models.Condition:
    return models.IsEmptyCondition(is_empty=models.PayloadField(key=key))


def point_to_mark(point: str, digest: str, version: Version) -> models.Filter:
    """That point, if it has the digest and an older version."""
    same = models.FieldCondition(key=DIGEST, match=models.MatchValue(value=digest))
    return models.Filter(must=[models.HasIdCondition(has_id=[point]), same, older_than(version)])


class ServerDialect:
    """`conditions.Dialect` in the types of a server's client."""

    def any_keyword(self, key: str, values: Sequence[str]) -> models.Condition:
        if len(values) == 1:
            return models.FieldCondition(key=key, match=models.MatchValue(value=values[0]))
        return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))

    def numbers(self, key: str, bounds: dict[str, float]) -> models.Condition:
        return models.FieldCondition(key=key, range=models.Range(**bounds))

    def times(self, key: str, bounds: dict[str, str]) -> models.Condition:
        moments = {name: datetime.fromisoformat(bound) for name, bound in bounds.items()}
        return models.FieldCondition(key=key, range=models.DatetimeRange(**moments))

    def empty(self, key: str) -> models.Condition:
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=key))

    def together(
        self,
        must: Sequence[models.Condition] = (),
        should: Sequence[models.Condition] = (),
        must_not: Sequence[models.Condition] = (),
    ) -> models.Condition:
        return models.Filter(must=list(must) or None, should=list(should) or None, must_not=list(must_not) or None)


_DIALECT = ServerDialect()
_SCHEMAS = {
    FieldType.KEYWORD: models.PayloadSchemaType.KEYWORD,
    FieldType.NUMBER: models.PayloadSchemaType.FLOAT,
    FieldType.TIME: models.PayloadSchemaType.DATETIME,
    FieldType.BOOLEAN: models.PayloadSchemaType.KEYWORD,
}


def of_scope(scope: Scope) -> models.Filter:
    """The documents that a search looks at."""
    return models.Filter(must=scope_conditions(_DIALECT, scope))


def payload_indexes(fields: DeclaredFields) -> dict[str, models.PayloadSchemaType | models.KeywordIndexParams]:
    """What the server keeps an index of, by the place in the payload."""
    tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    keyword = models.PayloadSchemaType.KEYWORD
    own: dict[str, models.PayloadSchemaType | models.KeywordIndexParams] = {
        TENANT: tenant,
        DOMAIN: keyword,
        PRINCIPALS: keyword,
        LANGUAGES: keyword,
    }
    return own | {field_key(name): _SCHEMAS[kind] for name, kind in fields}
