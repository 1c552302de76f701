"""A scope as a filter of Qdrant, written once; each engine spells it in types of its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from attune.services.search.index.fields import as_text, boolean_word
from attune.services.search.index.languages import primary
from attune.services.search.index.narrowing import AllOf, AnyOf, Between, EqualsAny, Exists, Filter
from attune.services.search.index.points import DOMAIN, LANGUAGES, PRINCIPALS, SPACE, TENANT, field_key
from attune.services.search.index.port import Scope

C = TypeVar("C")


class Dialect(Protocol[C]):
    """An engine's conditions. `together` makes one of several: all of `must`, one of `should`, none of `must_not`."""

    def any_keyword(self, key: str, values: Sequence[str]) -> C: ...

    def numbers(self, key: str, bounds: dict[str, float]) -> C: ...

    def times(self, key: str, bounds: dict[str, str]) -> C:
        """Bounds in RFC 3339."""

    def empty(self, key: str) -> C: ...

    def together(self, must: Sequence[C] = (), should: Sequence[C] = (), must_not: Sequence[C] = ()) -> C: ...


def scope_conditions(dialect: Dialect[C], scope: Scope) -> list[C]:
    """What all points of a scope have in common."""
    conditions = [dialect.any_keyword(TENANT, [scope.tenant])]
    if scope.domains:
        conditions.append(dialect.any_keyword(DOMAIN, scope.domains))
    if scope.space:
        conditions.append(dialect.any_keyword(SPACE, [scope.space]))
    elif scope.space is not None:
        conditions.append(dialect.empty(SPACE))
    within = scope.within
    if within.principals is not None:
        conditions.append(_visible(dialect, within.principals))
    if within.languages:
        tags = [each.lower() if "-" in each else primary(each) for each in within.languages]
        conditions.append(dialect.any_keyword(LANGUAGES, tags))
    if within.filter is not None:
        conditions.append(_filter(dialect, within.filter))
    return conditions


def _visible(dialect: Dialect[C], principals: Sequence[str]) -> C:
    everybody = dialect.empty(PRINCIPALS)
    return (
        dialect.together(should=[everybody, dialect.any_keyword(PRINCIPALS, principals)]) if principals else everybody
    )


def _filter(dialect: Dialect[C], wanted: Filter) -> C:
    match wanted:
        case EqualsAny():
            return dialect.together(should=_equalities(dialect, wanted))
        case Between():
            return _between(dialect, field_key(wanted.field), wanted.bounds)
        case Exists():
            return dialect.together(must_not=[dialect.empty(field_key(wanted.field))])
        case AllOf():
            return dialect.together(must=[_filter(dialect, part) for part in wanted.parts])
        case AnyOf():
            return dialect.together(should=[_filter(dialect, part) for part in wanted.parts])
    return dialect.together(must_not=[_filter(dialect, wanted.part)])


def _equalities(dialect: Dialect[C], wanted: EqualsAny) -> list[C]:
    """Qdrant compares no floats, and no times: they lie between themselves and themselves."""
    key = field_key(wanted.field)
    words = [boolean_word(each) if isinstance(each, bool) else each for each in wanted.values]
    others = [each for each in words if not isinstance(each, str)]
    equalities = [_between(dialect, key, {"gte": each, "lte": each}) for each in others]
    named = [each for each in words if isinstance(each, str)]
    return [*equalities, dialect.any_keyword(key, named)] if named else equalities


def _between(dialect: Dialect[C], key: str, bounds: dict[str, float | datetime]) -> C:
    times = {name: as_text(bound) for name, bound in bounds.items() if isinstance(bound, datetime)}
    if times:
        return dialect.times(key, times)
    return dialect.numbers(key, {name: bound for name, bound in bounds.items() if not isinstance(bound, datetime)})
