"""What boosts read of a document: a filter field, which has a type, or else an attribute, strictly."""

import math
import re
from datetime import UTC, datetime

from attune.services.search.index.port import Document

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LONGEST = 64
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)
NUMBER_EXAMPLE = '"12", "-0.5" or "1e6"'
MOMENT_EXAMPLE = '"2026-11-29" or "2026-11-29T06:00:00Z"'


class UnreadableError(ValueError):
    """The document has the field, and what is in it is not of the kind that a formula needs."""


def number_of(document: Document, field: str) -> float | None:
    """A finite number, or None where the document has no such field.

    Raises:
        UnreadableError: it is something else.
    """
    held = document.fields.get(field)
    if isinstance(held, float):
        return held
    text = document.attributes.get(field)
    if text is None:
        return None
    value = float(text) if len(text) <= _LONGEST and _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise UnreadableError
    return value


def moment_of(document: Document, field: str) -> datetime | None:
    """A moment, from a date (its first moment in UTC) or a time with a zone; None where there is no such field.

    Raises:
        UnreadableError: it is something else.
    """
    held = document.fields.get(field)
    if isinstance(held, datetime):
        return held
    text = document.attributes.get(field)
    if text is None:
        return None
    if not _MOMENT.fullmatch(text):
        raise UnreadableError
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise UnreadableError from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def keywords_of(document: Document, field: str) -> tuple[str, ...]:
    """The texts of a field as they are; none where there is no such field."""
    held = document.fields.get(field, document.attributes.get(field))
    if isinstance(held, str):
        return (held,)
    return held if isinstance(held, tuple) else ()
