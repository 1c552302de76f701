"""Points and filters as the embedded engine is told them."""

from collections.abc import Sequence

import qdrant_edge as edge

from attune.services.search.index.conditions import scope_conditions
from attune.services.search.index.fields import DeclaredFields, FieldType
from attune.services.search.index.passages import PASSAGES
from attune.services.search.index.points import (
    BM25,
    DENSE,
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


class EdgeDialect:
    """`conditions.Dialect` in the embedded engine's types."""

    def any_keyword(self, key: str, values: Sequence[str]) -> "edge.ConditionType":
        match = edge.MatchValue(values[0]) if len(values) == 1 else edge.MatchAny(list(values))
        return edge.FieldCondition(key, match=match)

    def numbers(self, key: str, bounds: dict[str, float]) -> "edge.ConditionType":
        return edge.FieldCondition(key, range=edge.RangeFloat(**bounds))

    def times(self, key: str, bounds: dict[str, str]) -> "edge.ConditionType":
        return edge.FieldCondition(key, range=edge.RangeDateTime(**bounds))

    def empty(self, key: str) -> "edge.ConditionType":
        return edge.IsEmptyCondition(key)

    def together(
        self,
        must: "Sequence[edge.ConditionType]" = (),
        should: "Sequence[edge.ConditionType]" = (),
        must_not: "Sequence[edge.ConditionType]" = (),
    ) -> "edge.ConditionType":
        return edge.Filter(must=list(must) or None, should=list(should) or None, must_not=list(must_not) or None)


_DIALECT = EdgeDialect()
_SCHEMAS = {
    FieldType.KEYWORD: edge.PayloadSchemaType.Keyword,
    FieldType.NUMBER: edge.PayloadSchemaType.Float,
    FieldType.TIME: edge.PayloadSchemaType.Datetime,
    FieldType.BOOLEAN: edge.PayloadSchemaType.Keyword,
}


def payload_indexes(fields: DeclaredFields) -> dict[str, edge.PayloadSchemaType | edge.KeywordIndexParams]:
    """What the engine keeps an index of, by the place in the payload."""
    keyword = edge.PayloadSchemaType.Keyword
    own: dict[str, edge.PayloadSchemaType | edge.KeywordIndexParams] = {
        TENANT: edge.KeywordIndexParams(is_tenant=True),
        DOMAIN: keyword,
        PRINCIPALS: keyword,
        LANGUAGES: keyword,
    }
    return own | {field_key(name): _SCHEMAS[kind] for name, kind in fields}


def of_scope(scope: Scope) -> edge.Filter:
    """The documents that a search looks at."""
    return edge.Filter(must=scope_conditions(_DIALECT, scope))


def to_point(point: IndexPoint) -> edge.Point:
    """A point with the vectors that it has."""
    vectors: dict[str, list[float] | edge.SparseVector | list[list[float]]] = {}
    if point.dense is not None:
        vectors[DENSE] = point.dense
    if point.bm25 is not None:
        vectors[BM25] = edge.SparseVector(point.bm25.indices, point.bm25.values)
    if point.passages is not None:
        vectors[PASSAGES] = point.passages
    return edge.Point(point.id, vectors, point.payload)


def older_than(version: Version) -> edge.Filter:
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


def no_news() -> edge.Filter:
    """Points that were fed to what is being built, and not written since."""
    return edge.Filter(must=[edge.IsEmptyCondition(LIVE), edge.IsEmptyCondition(OFFSET)])


def graves() -> edge.Filter:
    """What is left of documents that were deleted while this was being built."""
    dead: list[edge.ConditionType] = [edge.IsEmptyCondition(TENANT), edge.IsEmptyCondition(OFFSET)]
    return edge.Filter(must=dead, must_not=[edge.IsEmptyCondition(LIVE)])
