"""A user's record as bytes: JSON, deflated. Times are microseconds since 1970 in UTC, weights exact to the last bit.

Compact because a user's entities resemble each other: 20 of them take some 400 bytes. The first byte is the format, so
that a later one can be told from this.
"""

import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attune.knowledge_store.model import EntityState, EventKind, LinkedEntity, Source
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.store import StoreError, Suppressed

FORMAT = 1
DIGEST_BYTES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KINDS, _SOURCES = list(EventKind), list(Source)
# Never reordered: they are what is stored. New ones go to the end.
_CODES = {(kind, source): f"{_KINDS.index(kind)}{source[0]}" for kind in _KINDS for source in _SOURCES}
_DECODED = {code: pair for pair, code in _CODES.items()}


def encode(record: UserRecord) -> bytes:
    """The record without its digests. Equal records give equal bytes."""
    text = json.dumps(to_fields(record), separators=(",", ":"), ensure_ascii=False)
    return bytes([FORMAT]) + zlib.compress(text.encode(), level=6, wbits=-zlib.MAX_WBITS)


def to_fields(record: UserRecord) -> dict[str, Any]:
    """The record without its digests, ready for JSON."""
    fields: dict[str, Any] = {
        "n": record.events,
        "t": [_number(record.first_seen), _number(record.last_seen), _number(record.newest_epoch)],
        "e": [_encoded(record.states[entity_id]) for entity_id in sorted(record.states)],
    }
    if record.suppressed != Suppressed():
        fields["s"] = [each.hex() for each in record.suppressed.fingerprints]
        fields["h"] = _number(record.suppressed.history_until)
    return fields


def decode(content: bytes) -> UserRecord:
    """What was encoded, without digests. Raises StoreError for bytes of another format, or damaged ones."""
    if content[:1] != bytes([FORMAT]):
        raise StoreError(
            f"a user's record has format {content[:1].hex() or 'none'}, this version knows {FORMAT:02x}:"
            " upgrade attune, or restore a backup"
        )
    try:
        return from_fields(json.loads(zlib.decompress(content[1:], wbits=-zlib.MAX_WBITS)))
    except (zlib.error, ValueError) as error:
        raise StoreError(f"a user's record is damaged ({error}): restore a backup") from error


def from_fields(fields: dict[str, Any]) -> UserRecord:
    """What became fields. Raises StoreError for others."""
    try:
        states = [_decoded(each) for each in fields["e"]]
        first, last, newest = (_moment(number) for number in fields["t"])
        fingerprints = tuple(bytes.fromhex(each) for each in fields.get("s", ()))
        suppressed = Suppressed(fingerprints, _moment(fields.get("h")))
        return UserRecord(
            fields["n"], first, last, newest, {state.entity_id: state for state in states}, suppressed=suppressed
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"a user's record is damaged ({error}): restore a backup") from error


def encode_digests(record: UserRecord) -> bytes:
    """The digests of events, one after the other, in the order of arrival."""
    return b"".join(record.digests)


def decode_digests(content: bytes) -> dict[bytes, None]:
    """What was encoded."""
    return {content[at : at + DIGEST_BYTES]: None for at in range(0, len(content), DIGEST_BYTES)}


def encode_linked(linked: Sequence[LinkedEntity]) -> str:
    """A document's entities as JSON."""
    return json.dumps([[entity.entity_id, entity.salience] for entity in linked])


def decode_linked(text: str) -> list[LinkedEntity]:
    """What was encoded."""
    return [LinkedEntity(entity_id, salience) for entity_id, salience in json.loads(text)]


def to_microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(microseconds: int) -> datetime:
    """In UTC."""
    return _EPOCH + microseconds * _MICROSECOND


def _encoded(state: EntityState) -> list[Any]:
    first, last = to_microseconds(state.first_seen), to_microseconds(state.last_seen)
    counts: list[Any] = [item for pair, count in sorted(state.counts.items()) for item in (_CODES[pair], count)]
    return [state.entity_id, first, last - first, state.weight, state.recent, *counts]


def _decoded(fields: list[Any]) -> EntityState:
    entity_id, first, elapsed, weight, recent, *counts = fields
    pairs = zip(counts[::2], counts[1::2], strict=True)
    return EntityState(
        entity_id,
        {_DECODED[code]: count for code, count in pairs},
        to_datetime(first),
        to_datetime(first + elapsed),
        float(weight),
        float(recent),
    )


def _number(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)


def _moment(number: int | None) -> datetime | None:
    return None if number is None else to_datetime(number)
