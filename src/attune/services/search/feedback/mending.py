"""The query and its context as the user corrected them in this session."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from attune.knowledge.v1.context_pb2 import Context, Turn
from attune.services.search.feedback.parts import Part, Replacement, is_part, without
from attune.services.search.gateway import Augmentation, Expert
from attune.services.search.index.port import FloatVector


@dataclass(frozen=True, slots=True)
class Mended:
    """What is left to search for."""

    query: str
    context: Context
    removed: int = 0
    """Parts of the query and turns of the context."""
    replacements: tuple[Replacement, ...] = ()
    """What comes in the place of parts of the query."""


class Embeds(Protocol):
    """The part of Gateway that embeds queries."""

    async def query_vectors(
        self, query: str, asked: Mapping[str, Augmentation]
    ) -> list[tuple[FloatVector, Augmentation]]: ...


def mend(query: str, context: Context, parts: Sequence[Part], key: bytes) -> Mended:
    """Leave out of the query, and of the turns before it, what the user said is wrong.

    A turn whose query is wrong as a whole is left out with all that was read then. A replacement holds for the query
    alone: of a turn, the caller knows the words.
    """
    if not parts:
        return Mended(query, context)
    left, found = without(query, parts, key)
    turns = [_mended(turn, parts, key) for turn in context.turns]
    kept = Context()
    kept.CopyFrom(context)
    del kept.turns[:]
    kept.turns.extend(turn for turn in turns if turn is not None)
    replacements = tuple(each.replacement for each in found if each.replacement)
    return Mended(left, kept, len(found) + _changed(context.turns, turns), replacements)


def _mended(turn: Turn, parts: Sequence[Part], key: bytes) -> Turn | None:
    if is_part(turn.query, parts, key):
        return None
    query, _ = without(turn.query, parts, key)
    title = "" if is_part(turn.title, parts, key) else turn.title
    text = "" if is_part(turn.text, parts, key) else turn.text
    return Turn(query=query, title=title, text=text) if query or title or text else None


def _changed(before: Iterable[Turn], after: Iterable[Turn | None]) -> int:
    return sum(old != new for old, new in zip(before, after, strict=True))


async def embedded_query(
    gateway: Embeds,
    query: str,
    replacements: Sequence[Replacement],
    asked: Mapping[str, Augmentation],
    experts: Mapping[str, Expert],
) -> list[tuple[FloatVector, Augmentation]]:
    """For each of the domains `asked` a unit vector [d]: of the query, or the mean of it and what replaces its parts.

    A vector without elements stands where nothing is known: nothing was left of the query, and the domain's expert is
    another than when the replacement was embedded.
    """
    if not replacements:
        return await gateway.query_vectors(query, asked)
    keys = [experts.get(domain, Expert()).key for domain in asked]
    if query:
        embedded = await gateway.query_vectors(query, asked)
    else:
        embedded = [(np.zeros(0, np.float32), augmentation) for augmentation in asked.values()]
    return [
        (_mean(vector, [each.vectors[key] for each in replacements if key in each.vectors]), augmentation)
        for key, (vector, augmentation) in zip(keys, embedded, strict=True)
    ]


def _mean(query: FloatVector, others: Sequence[FloatVector]) -> FloatVector:
    whole = [each for each in (query, *others) if each.size]
    if not whole:
        return query
    total: FloatVector = np.sum(whole, axis=0, dtype=np.float32)
    length = float(np.linalg.norm(total))
    return total / np.float32(length) if length > 0 else total
