"""What of a context a user knows, does not know, or has left behind (the modes of K-LaMP, arXiv 2311.06318, with our
scores).

s(w) = w / (1 + w) maps a weight to [0, 1); the context is a set of entity ids, and without one the user's whole store
is meant.

| mode | which entities | score |
|---|---|---|
| familiar | of the context, seen, with a positive weight, not lapsed | s(weight now) |
| unfamiliar | of the context, seen at most once | 1 / (1 + times seen) |
| lapsed | of the context, seen at least 3 times, but not for 14 days | s(weight when last seen) |
| neighbour | never seen, an edge from a familiar one (`via`), either in context | s(w of `via`) / (1 + log2(1 + n)) |

The more edges (n) a neighbour has, the less one of them says: what everything is linked to is close to nothing in
particular (after Adamic and Adar, 2003, equation 2).

An entity that was seen exactly once is familiar and unfamiliar at the same time: little, and still new.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import nsmallest

from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.model import EntityState

LAPSED_AFTER = timedelta(days=14)
LAPSED_MINIMUM = 3
MOST_SOURCES = 64
"""Neighbours are those of so many familiar entities, the heaviest: of a full store's, one is next to half a catalog."""


class Mode(StrEnum):
    FAMILIAR = "familiar"
    UNFAMILIAR = "unfamiliar"
    LAPSED = "lapsed"
    NEIGHBOUR = "neighbour"


@dataclass(frozen=True, slots=True)
class Retrieved:
    """An entity and why it was retrieved; `weight` is as of now, `via` the familiar entity next to a neighbour."""

    entity_id: str
    mode: Mode
    score: float
    weight: float = 0.0
    count: int = 0
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    via: str | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    states: Mapping[str, EntityState]
    graph: CatalogGraph
    context: frozenset[str]
    now: datetime
    limit: int

    def in_context(self) -> Iterator[EntityState]:
        """The user's states that the context names; all of them when there is none."""
        if not self.context:
            return iter(self.states.values())
        return (self.states[entity_id] for entity_id in sorted(self.context) if entity_id in self.states)

    def heaviest(self, count: int) -> list[EntityState]:
        """The familiar states of the context with the largest weights, ties by id."""
        familiar = [state for state in self.in_context() if self.is_familiar(state)]
        return nsmallest(count, familiar, key=self.by_weight)

    def by_weight(self, state: EntityState) -> tuple[float, str]:
        """Sorts states: the heaviest first, ties by id."""
        return -state.weight_at(self.now), state.entity_id

    def is_lapsed(self, state: EntityState) -> bool:
        return state.count >= LAPSED_MINIMUM and self.now - state.last_seen >= LAPSED_AFTER

    def is_familiar(self, state: EntityState) -> bool:
        return state.weight > 0 and not self.is_lapsed(state)

    def retrieved(self, state: EntityState, mode: Mode, score: float) -> Retrieved:
        weight = state.weight_at(self.now)
        return Retrieved(state.entity_id, mode, score, weight, state.count, state.first_seen, state.last_seen)


def retrieve(
    states: Mapping[str, EntityState],
    graph: CatalogGraph,
    context_entity_ids: Collection[str],
    now: datetime,
    modes: Sequence[Mode],
    limit: int,
) -> list[Retrieved]:
    """At most `limit` entities of each mode, the modes as ordered, each by score, then popularity, then id.

    `states` are the user's, by entity id; of many, only those are looked at that the context needs.
    """
    question = _Question(states, graph, frozenset(context_entity_ids), now, limit)
    result: list[Retrieved] = []
    for mode in modes:
        found = _FINDERS[mode](question)
        result += sorted(found, key=lambda r: (-r.score, -graph.prior(r.entity_id), r.entity_id))[:limit]
    return result


def _familiar(question: _Question) -> Iterator[Retrieved]:
    for state in question.in_context():
        if question.is_familiar(state):
            yield question.retrieved(state, Mode.FAMILIAR, _saturate(state.weight_at(question.now)))


def _unfamiliar(question: _Question) -> Iterator[Retrieved]:
    for entity_id in question.context:
        state = question.states.get(entity_id)
        if state is None:
            yield Retrieved(entity_id, Mode.UNFAMILIAR, 1.0)
        elif state.count <= 1:
            yield question.retrieved(state, Mode.UNFAMILIAR, 1 / (1 + state.count))


def _lapsed(question: _Question) -> Iterator[Retrieved]:
    for state in question.in_context():
        if question.is_lapsed(state) and state.weight > 0:
            yield question.retrieved(state, Mode.LAPSED, _saturate(state.weight))


def _neighbour(question: _Question) -> Iterator[Retrieved]:
    """The best `limit` alone: the neighbours of a hub are thousands."""
    graph, strengths = question.graph, {}
    nearest = _nearest(question)
    for via in nearest.values():
        if via.entity_id not in strengths:
            strengths[via.entity_id] = _saturate(via.weight_at(question.now))
    scored = (
        (-strengths[via.entity_id] / graph.hub(entity_id), -graph.prior(entity_id), entity_id)
        for entity_id, via in nearest.items()
    )
    for score, _, entity_id in nsmallest(question.limit, scored):
        yield Retrieved(entity_id, Mode.NEIGHBOUR, -score, via=nearest[entity_id].entity_id)


def _nearest(question: _Question) -> dict[str, EntityState]:
    """Of each entity never seen the heaviest familiar state next to it; either is in the context, if there is one."""
    seen, nearest = frozenset(question.states), dict[str, EntityState]()
    for state in question.heaviest(MOST_SOURCES):
        for neighbour in question.graph.neighbours(state.entity_id):
            if neighbour.entity_id not in seen:
                nearest.setdefault(neighbour.entity_id, state)  # the first is the heaviest
    for entity_id in sorted(question.context - seen):
        around = {neighbour.entity_id for neighbour in question.graph.neighbours(entity_id)} & seen
        familiar = [state for state in map(question.states.__getitem__, around) if question.is_familiar(state)]
        if familiar:
            nearest[entity_id] = min(familiar, key=question.by_weight)
    return nearest


def _saturate(weight: float) -> float:
    return weight / (1 + weight)


_FINDERS: Mapping[Mode, Callable[[_Question], Iterator[Retrieved]]] = {
    Mode.FAMILIAR: _familiar,
    Mode.UNFAMILIAR: _unfamiliar,
    Mode.LAPSED: _lapsed,
    Mode.NEIGHBOUR: _neighbour,
}
