"""A request's filter as the index takes it. What is not declared, or of another type, is refused with its path."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import TypeAlias

from attune.search.v1 import search_pb2 as pb
from attune.services.runtime.errors import invalid
from attune.services.search.index.fields import DeclaredFields, FieldType, FieldValue, field_type_of
from attune.services.search.index.narrowing import AllOf, AnyOf, Between, EqualsAny, Exists, Filter, Not

_DEEPEST = 8
_MOST_CONDITIONS = 256
_ORDERED = (FieldType.NUMBER, FieldType.TIME)
Bound: TypeAlias = float | datetime


def to_filter(message: pb.Filter, declared: DeclaredFields, path: str = "filter") -> Filter:
    """The filter of a request that is valid by the rules of its messages.

    Raises:
        ServiceError: INVALID_ARGUMENT, with the path of what is wrong.
    """
    conditions = sum(1 for _ in _conditions(message, path, 1))
    if conditions > _MOST_CONDITIONS:
        raise invalid(path, f"has {conditions} conditions: give at most {_MOST_CONDITIONS}")
    return _filter(message, declared, path)


def to_value(message: pb.FieldValue) -> FieldValue:
    """A value as the index takes it; for none at all, a keyword without letters."""
    match message.WhichOneof("value"):
        case "keywords":
            return tuple(message.keywords.values)
        case "number":
            return message.number
        case "time":
            return message.time.ToDatetime(UTC)
        case "boolean":
            return message.boolean
    return message.keyword


def problem_of(name: str, value: FieldValue, declared: DeclaredFields) -> str:
    """Why a field cannot have a value, and how to mend it; empty if it can."""
    kind = declared.types.get(name)
    if kind is None:
        return f"no field {name!r} is declared: ATTUNE_SEARCH_FIELDS declares {declared}"
    given = field_type_of(value)
    if given is not kind:
        return f"the field {name!r} is declared as {kind}, and this is a {given}: give a {kind}"
    return "" if not isinstance(value, float) or isfinite(value) else "is not finite: give a finite number"


def _conditions(message: pb.Filter, path: str, depth: int) -> Iterator[str]:
    """The paths of all conditions."""
    if depth > _DEEPEST:
        raise invalid(path, f"is nested deeper than {_DEEPEST} filters: write it flatter")
    if message.HasField("condition"):
        yield f"{path}.condition"
    for part, place in _parts(message, path):
        yield from _conditions(part, place, depth + 1)


def _parts(message: pb.Filter, path: str) -> Iterator[tuple[pb.Filter, str]]:
    if message.HasField("not"):
        yield getattr(message, "not"), f"{path}.not"
    for name in ("all", "any"):
        if message.HasField(name):
            filters: pb.Filters = getattr(message, name)
            yield from ((each, f"{path}.{name}.filters[{i}]") for i, each in enumerate(filters.filters))


def _filter(message: pb.Filter, declared: DeclaredFields, path: str) -> Filter:
    if message.HasField("condition"):
        return _condition(message.condition, declared, f"{path}.condition")
    parts = tuple(_filter(part, declared, place) for part, place in _parts(message, path))
    match message.WhichOneof("filter"):
        case "not":
            return Not(parts[0])
        case "any":
            return AnyOf(parts)
    return AllOf(parts)


def _condition(message: pb.FieldCondition, declared: DeclaredFields, path: str) -> Filter:
    kind = declared.types.get(message.field)
    if kind is None:
        raise invalid(f"{path}.field", problem_of(message.field, "", declared))
    match message.WhichOneof("test"):
        case "equals_any":
            return _equals_any(message, declared, f"{path}.equals_any")
        case "range":
            return _between(message, kind, declared, f"{path}.range")
    found = Exists(message.field)
    return found if message.exists else Not(found)


def _equals_any(message: pb.FieldCondition, declared: DeclaredFields, path: str) -> EqualsAny:
    found: list[str | Bound | bool] = []
    for i, each in enumerate(message.equals_any.values):
        value = to_value(each)
        if problem := problem_of(message.field, value, declared):
            raise invalid(f"{path}.values[{i}]", problem)
        found += value if isinstance(value, tuple) else (value,)
    return EqualsAny(message.field, tuple(found))


def _between(message: pb.FieldCondition, kind: FieldType, declared: DeclaredFields, path: str) -> Between:
    if kind not in _ORDERED:
        raise invalid(path, f"the field {message.field!r} is declared as {kind}, which has no order: use equals_any")
    bounds: dict[str, Bound] = {}
    for descriptor, given in message.range.ListFields():
        name, value = descriptor.name, to_value(given)
        if problem := problem_of(message.field, value, declared):
            raise invalid(f"{path}.{name}", problem)
        if isinstance(value, float | datetime):
            bounds[name] = value
    if not bounds:
        raise invalid(path, "has no bound: give gte, gt, lte or lt")
    return Between(message.field, **bounds)
