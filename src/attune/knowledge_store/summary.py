"""A user in a few words, for prompts: made offline from the store, or by a language model from the same entities.

A summary is made of a user at a moment: it has a number, counted up with each new one, and a watermark, the events that
the user's record had then. It names entities by their labels and holds nothing that a user wrote.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from attune.knowledge_store.model import EntityState, Summary
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.retrieval import is_lapsed

EVERY = 25
"""A summary is due again after so many events."""
_PER_PART = 6
_OFTEN = 3
_RECENT_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Portrait:
    """What a summary is made of: entities in the parts of a user's interest, the heaviest first, none twice."""

    now: tuple[EntityState, ...] = ()
    """At which the user is these days: a good part of their weight is of the last days."""
    often: tuple[EntityState, ...] = ()
    lapsed: tuple[EntityState, ...] = ()
    rejected: tuple[EntityState, ...] = ()
    once: tuple[EntityState, ...] = ()

    @classmethod
    def of(cls, states: Iterable[EntityState], now: datetime) -> "Portrait":
        """At most a handful in each part."""
        ranked = sorted(states, key=lambda state: (-state.rank, state.entity_id))
        liked = [state for state in ranked if state.weight > 0]
        lapsed = [state for state in liked if is_lapsed(state, now)]
        kept = _without(liked, lapsed)
        current = [state for state in kept if state.count > 1 and state.recent_at(now) >= _RECENT_SHARE * state.weight]
        often = [state for state in _without(kept, current[:_PER_PART]) if state.count >= _OFTEN]
        once = _without(kept, [*current[:_PER_PART], *often])
        rejected = [state for state in reversed(ranked) if state.weight < 0]
        parts = (current, often, lapsed, rejected, once)
        return cls(*(tuple(part[:_PER_PART]) for part in parts))

    @property
    def parts(self) -> tuple[tuple[str, tuple[EntityState, ...]], ...]:
        """Those that are not empty, with their names for a reader."""
        parts = (
            ("At the moment", self.now),
            ("Again and again", self.often),
            ("Formerly", self.lapsed),
            ("Not wanted", self.rejected),
            ("Also", self.once),
        )
        return tuple((name, states) for name, states in parts if states)

    @property
    def entity_ids(self) -> frozenset[str]:
        """All of them."""
        return frozenset(state.entity_id for _, part in self.parts for state in part)


def is_due(record: UserRecord, summary: Summary | None, every: int = EVERY) -> bool:
    """Whether the user has entities, and `every` events more than the summary tells of."""
    return bool(record.states) and is_old(summary, record.events, every)


def is_old(summary: Summary | None, events: int, every: int) -> bool:
    """Whether there is none, or one of `every` events ago; or of more events than the user has: it was being made when
    the user was forgotten and began anew.
    """
    return summary is None or not 0 <= events - summary.events < every


def in_words(portrait: Portrait, label: Callable[[str], str]) -> str:
    """The portrait as a few short sentences; empty where there is nothing in it."""
    return " ".join(f"{name}: {_listed(states, label)}." for name, states in portrait.parts)


def _listed(states: Sequence[EntityState], label: Callable[[str], str]) -> str:
    return ", ".join(label(state.entity_id) for state in states)


def _without(states: Iterable[EntityState], gone: Collection[EntityState]) -> list[EntityState]:
    ids = {state.entity_id for state in gone}
    return [state for state in states if state.entity_id not in ids]
