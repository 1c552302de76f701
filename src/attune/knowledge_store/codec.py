"""A user's record as bytes: fields, packed (packing.py), behind a byte that names the format.

    {"n": events, "t": [first seen, last seen, newest epoch], "e": [entity, ...], "s": [fingerprint, ...], "h": until,
     "d": [document, ...], "p": [statement, ...]}
    entity: [id, first seen, last seen - first seen, weight, recent or 0 if it is the weight, code, count, ...]
    document, statement: [id or text, minutes, 1 if it was rejected, digest of an entity, ...]

Times are microseconds since 1970 in UTC, those of entities since the user's first, those of documents and statements
in whole minutes since its minute; weights are exact to the last bit. A code is of a kind and a source. Format 2 is the
same without documents and statements; format 1 is those fields as JSON, deflated. Both are read and no longer written.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from attune.knowledge_store.history import History, Trace
from attune.knowledge_store.model import EntityState, EventKind, Source
from attune.knowledge_store.packing import pack, unpack
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.store import StoreError
from attune.knowledge_store.store_model import Suppressed

FORMAT = 3
DIGEST_BYTES = 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MINUTE = 60_000_000
_KINDS, _SOURCES = list(EventKind), list(Source)
# Never reordered: they are what is stored. New ones go to the end.
_CODES = {(kind, source): f"{_KINDS.index(kind)}{source[0]}" for kind in _KINDS for source in _SOURCES}
_DECODED = {code: pair for pair, code in _CODES.items()}


def encode(record: UserRecord) -> bytes:
    """The record without its digests. Equal records give equal bytes."""
    return bytes([FORMAT]) + pack(to_fields(record))


def to_fields(record: UserRecord) -> dict[str, Any]:
    """The record without its digests, ready for JSON, and to be packed."""
    start = _number(record.first_seen) or 0
    fields: dict[str, Any] = {
        "n": record.events,
        "t": [_number(record.first_seen), _number(record.last_seen), _number(record.newest_epoch)],
        "e": [_encoded(record.states[entity_id], start) for entity_id in sorted(record.states)],
    }
    if record.suppressed != Suppressed():
        fields["s"] = [each.hex() for each in record.suppressed.fingerprints]
        fields["h"] = _number(record.suppressed.history_until)
    for name, held in (("d", record.readings), ("p", record.statements)):
        if held:
            fields[name] = [_noted(held[text], start) for text in sorted(held)]
    return fields


class LazyStates(Mapping[str, EntityState]):
    """Entity states by their ids, each made when it is asked for: a query needs a few of hundreds."""

    def __init__(self, fields: list[list[Any]], start: datetime) -> None:
        self._fields = {each[0]: each for each in fields}
        self._start = start

    def __getitem__(self, entity_id: str) -> EntityState:
        return _decoded(self._fields[entity_id], self._start)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, entity_id: object) -> bool:
        return entity_id in self._fields


class LazyView:
    """A record of which nothing is made before it is asked for: most questions need a little of it."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    @property
    def states(self) -> LazyStates:
        """By entity id. A damaged entity raises when it is made."""
        return LazyStates(self._fields["e"], _moment(self._fields["t"][0]) or _EPOCH)

    @property
    def history(self) -> History:
        """What the user has read and said. Raises StoreError where it is damaged."""
        try:
            return History.of(_traces(self._fields, "d"), _traces(self._fields, "p"))
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(error) from error


def decode_view(content: bytes) -> LazyView:
    """What was encoded, to be looked at. Raises as `decode`."""
    return LazyView(_fields(content))


def decode_suppressed(content: bytes) -> Suppressed:
    """What the user has removed, alone of what was encoded. Raises as `decode`; entities are not looked at."""
    return _suppressed(_fields(content))


def decode(content: bytes) -> UserRecord:
    """What was encoded, without digests. Raises StoreError for bytes of another format, or damaged ones."""
    return from_fields(_fields(content))


def decode_whole(content: bytes, digests: bytes) -> UserRecord:
    """What was encoded, with its digests. Raises as `decode`."""
    return replace(decode(content), digests=decode_digests(digests))


def from_fields(fields: dict[str, Any]) -> UserRecord:
    """What became fields. Raises StoreError for others."""
    try:
        first, last, newest = (_moment(number) for number in fields["t"])
        states = [_decoded(each, first or _EPOCH) for each in fields["e"]]
        by_id = {state.entity_id: state for state in states}
        return UserRecord(
            fields["n"],
            first,
            last,
            newest,
            by_id,
            suppressed=_suppressed(fields),
            readings=_traces(fields, "d"),
            statements=_traces(fields, "p"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(error) from error


def _suppressed(fields: dict[str, Any]) -> Suppressed:
    try:
        return Suppressed(tuple(bytes.fromhex(each) for each in fields.get("s", ())), _moment(fields.get("h")))
    except (ValueError, TypeError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> StoreError:
    return StoreError(f"a user's record is damaged ({error}): restore a backup")


def _fields(content: bytes) -> dict[str, Any]:
    read = _READERS.get(content[0]) if content else None
    if read is None:
        held, known = content[:1].hex() or "none", ", ".join(f"{each:02x}" for each in _READERS)
        raise StoreError(
            f"a user's record has format {held}, this version knows {known}: upgrade attune, or restore a backup"
        )
    try:
        return read(content[1:])
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise _damaged(error) from error


def _inflated(content: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(zlib.decompress(content, wbits=-zlib.MAX_WBITS))
    return fields


_READERS: Mapping[int, Callable[[bytes], dict[str, Any]]] = {1: _inflated, 2: unpack, FORMAT: unpack}


def encode_digests(record: UserRecord) -> bytes:
    """The digests of events, one after the other, in the order of arrival."""
    return b"".join(record.digests)


def decode_digests(content: bytes) -> dict[bytes, None]:
    """What was encoded."""
    return {content[at : at + DIGEST_BYTES]: None for at in range(0, len(content), DIGEST_BYTES)}


def to_microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(microseconds: int) -> datetime:
    """In UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _encoded(state: EntityState, start: int) -> list[Any]:
    first, last = to_microseconds(state.first_seen), to_microseconds(state.last_seen)
    recent = 0 if state.recent == state.weight else float(state.recent)
    counts: list[Any] = [item for pair, count in sorted(state.counts.items()) for item in (_CODES[pair], count)]
    return [state.entity_id, first - start, last - first, state.weight, recent, *counts]


def _decoded(fields: list[Any], start: datetime) -> EntityState:
    entity_id, first, elapsed, weight, recent, *counts = fields
    first_seen = start + timedelta(microseconds=first)
    return EntityState(
        entity_id,
        dict(zip(map(_DECODED.__getitem__, counts[::2]), counts[1::2], strict=True)),
        first_seen,
        first_seen + timedelta(microseconds=elapsed) if elapsed else first_seen,
        float(weight),
        float(weight) if type(recent) is int else recent,
    )


def _noted(trace: Trace, start: int) -> list[Any]:
    minutes = to_microseconds(trace.at) // _MINUTE - start // _MINUTE
    return [trace.text, minutes, int(trace.is_rejected), *trace.about]


def _traces(fields: dict[str, Any], name: str) -> dict[str, Trace]:
    start = (fields["t"][0] or 0) // _MINUTE
    return {
        text: Trace(text, to_datetime((start + minutes) * _MINUTE), bool(rejected), tuple(about))
        for text, minutes, rejected, *about in fields.get(name, ())
    }


def _number(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)


def _moment(number: int | None) -> datetime | None:
    return None if number is None else to_datetime(number)
