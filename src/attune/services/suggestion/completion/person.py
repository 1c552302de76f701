"""How close a completion is to who types: to the entities that they know, and to what they are in the middle of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import KnownEntity, normalised

_MODE_WEIGHT = {Mode.FAMILIAR: 1.0, Mode.LAPSED: 0.8}
_LONG_WORD = 3
"""Shorter words say little of what somebody is about."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who types. Without any of this: nobody in particular."""

    strengths: Mapping[str, float] = field(default_factory=dict)
    """By entity id, up to 1: how much the user has to do with it."""
    entities: Sequence[KnownEntity] = ()
    """Those that may be completions themselves, the closest first."""
    session: Sequence[str] = ()
    """Queries of this session, oldest first."""
    words: frozenset[str] = frozenset()
    """Of these."""

    @classmethod
    def of(cls, entities: Iterable[KnownEntity], session: Sequence[str]) -> Self:
        """Of the user's entities and the queries of the session."""
        known = [each for each in entities if each.mode in _MODE_WEIGHT]
        highest = {mode: max((each.score for each in known if each.mode is mode), default=0.0) for mode in _MODE_WEIGHT}
        strengths = {
            each.entity_id: _MODE_WEIGHT[each.mode] * max(0.0, each.score) / (highest[each.mode] or 1.0)
            for each in known
        }
        ordered = sorted(known, key=lambda each: (-strengths[each.entity_id], each.label))
        return cls(strengths, ordered, session, words_of(*session))

    def strength(self, entity_ids: Iterable[str]) -> float:
        """How much the user has to do with the closest of the entities, between 0 and 1."""
        return max((self.strengths.get(each, 0.0) for each in entity_ids), default=0.0)

    def likeness(self, text: str) -> float:
        """The share of a text's words that the session has, between 0 and 1."""
        words = words_of(text)
        return len(words & self.words) / len(words) if words else 0.0


def words_of(*texts: str) -> frozenset[str]:
    """The words of texts, as they are compared."""
    return frozenset(word for text in texts for word in normalised(text).split() if len(word) >= _LONG_WORD)
