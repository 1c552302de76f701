"""Which documents a search may return, in terms of no engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class EqualsAny:
    """The field holds one of the values, all of its type. Of several keywords one is enough."""

    field: str
    values: tuple[str | float | bool | datetime, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The field, a number or a time, lies between bounds; None: there is no such bound."""

    field: str
    gte: float | datetime | None = None
    gt: float | datetime | None = None
    lte: float | datetime | None = None
    lt: float | datetime | None = None

    @property
    def bounds(self) -> dict[str, float | datetime]:
        """Those that there are."""
        named = {"gte": self.gte, "gt": self.gt, "lte": self.lte, "lt": self.lt}
        return {name: bound for name, bound in named.items() if bound is not None}


@dataclass(frozen=True, slots=True)
class Exists:
    """The document has the field."""

    field: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Each part holds."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; for a condition, also where a document has no such field."""

    part: "Filter"


Filter: TypeAlias = EqualsAny | Between | Exists | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class Within:
    """What narrows a search beside its domains.

    `principals` are those of the caller, who sees the documents that name one of them, and those that name none. With
    None everything is seen, which is for the service's own work and for no caller.
    """

    principals: tuple[str, ...] | None = None
    languages: tuple[str, ...] = ()
    """BCP 47 tags; "pt" is "pt-BR" too. None named: all."""
    filter: Filter | None = None


EVERYTHING = Within()
PUBLIC = Within(principals=())
"""What everybody of the tenant may see."""


def may_see(principals: Sequence[str] | None, named: Sequence[str]) -> bool:
    """Whether a caller with these principals may see a document that names those."""
    return principals is None or not named or not set(named).isdisjoint(principals)
