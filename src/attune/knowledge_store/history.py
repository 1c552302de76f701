"""What a user has read and said, as far as a store keeps it: ids of documents, and sentences in the user's own words.

Of each, the newest by when it happened, and no more than so many; of each thing its newest event counts, so that the
order in which events arrive does not matter. What it is about is kept as short digests of entity ids: enough to drop it
when one of these is forgotten, and too little to name anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Self

MOST_READINGS = 64
MOST_STATEMENTS = 32
MOST_STATEMENT_CHARACTERS = 300
MOST_ID_CHARACTERS = 256
"""A document with a longer id is not remembered: ids would be most of a record."""
MOST_ENTITIES = 8
"""So many of what it is mainly about: forgetting one of these drops it."""
_DIGEST_BYTES = 1


@dataclass(frozen=True, slots=True)
class Noted:
    """What one event adds: a document read or rejected, a statement made or taken back."""

    text: str
    """The document's id, or the statement."""
    at: datetime
    is_rejected: bool = False
    entity_ids: tuple[str, ...] = ()
    """What it is about."""
    other_ids: tuple[str, ...] = ()
    """The ids under which these entities went before merges, or go after them."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A document or a statement as it is kept; `at` is the newest event's, in whole minutes."""

    text: str
    at: datetime
    is_rejected: bool = False
    about: tuple[int, ...] = ()
    """Digests of entity ids, sorted. Another entity has the same by chance once in 256: more is dropped then."""

    @classmethod
    def of(cls, noted: Noted) -> Self:
        about = tuple(sorted({entity_digest(each) for each in noted.entity_ids}))
        return cls(noted.text, noted.at.replace(second=0, microsecond=0), noted.is_rejected, about)


@dataclass(frozen=True, slots=True)
class History:
    """What may be used of it, the newest first: documents that were read and not rejected, and statements."""

    readings: tuple[Trace, ...] = ()
    statements: tuple[Trace, ...] = ()

    @classmethod
    def of(cls, readings: Mapping[str, Trace], statements: Mapping[str, Trace]) -> Self:
        return cls(_newest_first(each for each in readings.values() if not each.is_rejected), newest(statements))


def newest(traces: Mapping[str, Trace]) -> tuple[Trace, ...]:
    """All of them, the newest first, ties by text."""
    return _newest_first(traces.values())


def note_reading(held: dict[str, Trace], noted: Noted) -> None:
    """A rejected document stays, as rejected: an older event that arrives later must not bring it back."""
    _keep(held, Trace.of(noted), MOST_READINGS)


def note_statement(held: dict[str, Trace], noted: Noted) -> None:
    """One that is taken back is gone: no word of it is kept."""
    trace = Trace.of(noted)
    if not noted.is_rejected:
        _keep(held, trace, MOST_STATEMENTS)
    elif noted.text in held and held[noted.text].at <= trace.at:
        del held[noted.text]


def drop_about(held: dict[str, Trace], entity_id: str) -> int:
    """Drops what is about the entity; how much that was."""
    digest = entity_digest(entity_id)
    gone = [each.text for each in held.values() if digest in each.about]
    for text in gone:
        del held[text]
    return len(gone)


def entity_digest(entity_id: str) -> int:
    """8 bits."""
    content = entity_id.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(content, digest_size=_DIGEST_BYTES).digest(), "little")


def _keep(held: dict[str, Trace], trace: Trace, most: int) -> None:
    before = held.get(trace.text)
    if before is None or (trace.at, trace.is_rejected) >= (before.at, before.is_rejected):
        held[trace.text] = trace
    if len(held) > most:
        del held[min(held.values(), key=lambda each: (each.at, each.text)).text]


def _newest_first(traces: Iterable[Trace]) -> tuple[Trace, ...]:
    ordered = sorted(traces, key=lambda each: each.text)
    return tuple(sorted(ordered, key=lambda each: each.at, reverse=True))
