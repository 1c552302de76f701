"""Filter fields and filters as JSON has them, for commands."""

import json
from collections.abc import Mapping
from datetime import datetime

from google.protobuf.json_format import ParseDict, ParseError

from attune.embeddings.errors import SettingError
from attune.search.v1.search_pb2 import FieldValue, Filter, Keywords
from attune.services.search.index.fields import DeclaredFields, FieldType

_EXAMPLE = "write it as in 2026-01-31T12:00:00Z"


def to_filter(text: str) -> Filter | None:
    """A filter as protobuf's JSON writes it; None for none. Raises SettingError."""
    if not text:
        return None
    try:
        return ParseDict(json.loads(text), Filter())
    except (ValueError, ParseError) as error:
        example = '{"condition": {"field": "year", "range": {"gte": {"number": 2020}}}}'
        raise SettingError(f"--filter: {error}; write it as in {example}") from error


def to_field_values(fields: Mapping[str, object], declared: DeclaredFields) -> dict[str, FieldValue]:
    """Texts are keywords, or times where the field is declared as one; numbers, booleans and lists of texts are theirs.

    Raises:
        ValueError: naming the field whose value is none of these.
    """
    return {name: _value(name, value, declared.types.get(name)) for name, value in fields.items()}


def _value(name: str, value: object, kind: FieldType | None) -> FieldValue:
    if isinstance(value, bool):
        return FieldValue(boolean=value)
    if isinstance(value, int | float):
        return FieldValue(number=value)
    if isinstance(value, str):
        return _time(name, value) if kind is FieldType.TIME else FieldValue(keyword=value)
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return FieldValue(keywords=Keywords(values=value))
    raise ValueError(f"fields: {name!r} is {json.dumps(value)}: give a text, texts, a number, true or false")


def _time(name: str, value: str) -> FieldValue:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"fields: {name!r} is no time ({error}): {_EXAMPLE}") from error
    if moment.tzinfo is None:
        raise ValueError(f"fields: {name!r} has no zone: {_EXAMPLE}")
    found = FieldValue()
    found.time.FromDatetime(moment)
    return found
