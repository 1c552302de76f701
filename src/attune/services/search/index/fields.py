"""The fields that searches can be filtered by: which there are, of which kind, and how their values are stored.

They are declared (ATTUNE_SEARCH_FIELDS), so that a filter with a slip of the pen is refused instead of finding nothing,
and so that the engine can keep an index for each.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self, TypeAlias

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MOST = 64


class FieldType(StrEnum):
    """What a field holds."""

    KEYWORD = "keyword"
    """One text or several, compared as they are."""
    NUMBER = "number"
    TIME = "time"
    BOOLEAN = "boolean"


FieldValue: TypeAlias = str | tuple[str, ...] | float | bool | datetime
"""Of a keyword field one text or several, of a time field a moment with its zone."""

Stored: TypeAlias = str | list[str] | float
"""Booleans are words too: the embedded engine takes True for 1 when it compares."""


class FieldDeclarationError(ValueError):
    """The declaration of fields is wrong."""


@dataclass(frozen=True, slots=True)
class DeclaredFields:
    """Names of fields and their types."""

    types: Mapping[str, FieldType] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """As in "year:number, topics:keyword".

        Raises:
            FieldDeclarationError: naming the part that is wrong, and how it is written.
        """
        types: dict[str, FieldType] = {}
        for part in filter(None, (each.strip() for each in text.split(","))):
            name, _, kind = (each.strip() for each in part.partition(":"))
            if not _NAME.fullmatch(name):
                raise FieldDeclarationError(
                    f"{part!r}: a name has small letters, digits and _, at most 64; write name:type, as in year:number"
                )
            if kind not in list(FieldType):
                raise FieldDeclarationError(f"{part!r}: a type is one of {', '.join(FieldType)}")
            if name in types:
                raise FieldDeclarationError(f"{part!r}: {name} is declared twice")
            types[name] = FieldType(kind)
        if len(types) > _MOST:
            raise FieldDeclarationError(f"{len(types)} fields: declare at most {_MOST}")
        return cls(types)

    def __iter__(self) -> Iterator[tuple[str, FieldType]]:
        """The fields, in the order declared."""
        return iter(self.types.items())

    def __str__(self) -> str:
        """In words, for whoever named another."""
        return ", ".join(f"{name} ({kind})" for name, kind in self) or "none"


NO_FIELDS = DeclaredFields()


def field_type_of(value: FieldValue) -> FieldType:
    """The type of the fields that may hold this value."""
    if isinstance(value, bool):
        return FieldType.BOOLEAN
    if isinstance(value, float):
        return FieldType.NUMBER
    return FieldType.TIME if isinstance(value, datetime) else FieldType.KEYWORD


def to_stored(value: FieldValue) -> Stored:
    """As the engine's payload has it, JSON."""
    if isinstance(value, bool):
        return boolean_word(value)
    if isinstance(value, datetime):
        return as_text(value)
    return list(value) if isinstance(value, tuple) else value


def boolean_word(value: bool) -> str:
    """As booleans are stored."""
    return "true" if value else "false"


def from_stored(stored: Stored, kind: FieldType | None) -> FieldValue:
    """What was stored. `kind` is the declared type; what is not declared any more is taken as it looks."""
    if isinstance(stored, list):
        return tuple(stored)
    if isinstance(stored, str):
        if kind is FieldType.TIME:
            return datetime.fromisoformat(stored)
        return stored == boolean_word(True) if kind is FieldType.BOOLEAN else stored
    return float(stored)


def as_text(moment: datetime) -> str:
    """RFC 3339, always with microseconds, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
