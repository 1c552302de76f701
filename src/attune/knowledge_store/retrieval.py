"""What of a context a user knows, does not know, or has left behind (the modes of K-LaMP, arXiv 2311.06318, with our
scores).

s(w) = w / (1 + w) maps a weight to [0, 1); the context is a set of entity ids, and without one the user's whole store
is meant.

| mode | which entities | score, a product of factors |
|---|---|---|
| familiar | of the context, seen, with a positive weight, not lapsed | interest: s(weight now) |
| unfamiliar | of the context, seen at most once, not rejected | rarity: 1 / (1 + times seen) |
| lapsed | of the context, seen at least 3 times, but not for 14 days, with a | interest: s(weight when last seen) |
| | positive weight | |
| neighbour | never seen, beside a familiar one (`via`), either in context | interest: s(w of `via`), times one of |
| | an edge of the graph between the two | closeness: 1 / (1 + log2(1 + n)) |
| | many users who care about both | company: the strength of cooccurrence.py |

The more edges (n) a neighbour has, the less one of them says: what everything is linked to is close to nothing in
particular (after Adamic and Adar, 2003, equation 2). Of several ways to a neighbour the best counts.

An entity that was seen exactly once is familiar and unfamiliar at the same time: little, and still new.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import heappush, heappushpop, nsmallest

from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.model import Companion, EntityState, EventKind, Source

_LAPSED_AFTER = timedelta(days=14)
_LAPSED_MINIMUM = 3
MOST_SOURCES = 64
"""Neighbours are those of so many familiar entities, the heaviest: of a full store's, one is next to half a catalog."""


MOST_COMPANY = 8
"""And so many, the heaviest, lead to neighbours by statistics, as do so many of the context that were never seen, the
most popular: each is a row to read.
"""


class Mode(StrEnum):
    FAMILIAR = "familiar"
    UNFAMILIAR = "unfamiliar"
    LAPSED = "lapsed"
    NEIGHBOUR = "neighbour"


class FactorName(StrEnum):
    """What a score is made of."""

    INTEREST = "interest"
    RARITY = "rarity"
    CLOSENESS = "closeness"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class Retrieved:
    """An entity and why it was retrieved; `weight` and `recent` are as of now, `via` the familiar entity next to a
    neighbour, `via_users` how many care about both where no edge says so.
    """

    entity_id: str
    mode: Mode
    factors: tuple[tuple[FactorName, float], ...]
    weight: float = 0.0
    recent: float = 0.0
    counts: Mapping[tuple[EventKind, Source], int] = field(default_factory=dict)
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    via: str | None = None
    via_users: int = 0

    @property
    def count(self) -> int:
        """How often the user met it, over all kinds and sources."""
        return sum(self.counts.values())

    @property
    def score(self) -> float:
        """The product of the factors."""
        return math.prod(value for _, value in self.factors)


CompanionsOf = Callable[[Collection[str]], Mapping[str, Sequence[Companion]]]
"""Of those of the entities that have companions."""


def no_companions(_entity_ids: Collection[str]) -> Mapping[str, Sequence[Companion]]:
    """Where no statistics are kept."""
    return {}


@dataclass(frozen=True, slots=True)
class _Question:
    states: Mapping[str, EntityState]
    graph: CatalogGraph
    context: frozenset[str]
    now: datetime
    limit: int
    companions: CompanionsOf
    context_only: bool
    named: Sequence[EntityState]
    """Of the context those that the user has met, by id: states are made as they are looked up."""

    def in_context(self) -> Iterable[EntityState]:
        """The user's states that the context names; all of them when there is none."""
        return self.named if self.context else self.states.values()

    def wants(self, entity_id: str) -> bool:
        """Whether an entity may be told of."""
        return not self.context_only or entity_id in self.context

    def heaviest(self, count: int) -> list[EntityState]:
        """The familiar states of the context with the largest weights, ties by id."""
        familiar = [state for state in self.in_context() if self.is_familiar(state)]
        return nsmallest(count, familiar, key=self.by_weight)

    def best(self, scored: Iterable[tuple[float, EntityState]]) -> list[tuple[float, EntityState]]:
        """The `limit` with the largest scores, ties by popularity, then id: before all is made that is told of them."""
        prior = self.graph.prior
        return nsmallest(self.limit, scored, key=lambda each: (-each[0], -prior(each[1].entity_id), each[1].entity_id))

    def by_weight(self, state: EntityState) -> tuple[float, str]:
        """Sorts states: the heaviest first, ties by id."""
        return -state.weight_at(self.now), state.entity_id

    def is_familiar(self, state: EntityState) -> bool:
        return state.weight > 0 and not is_lapsed(state, self.now)

    def retrieved(self, state: EntityState, mode: Mode, factor: FactorName, value: float) -> Retrieved:
        weight, recent = state.weight_at(self.now), state.recent_at(self.now)
        seen = (state.counts, state.first_seen, state.last_seen)
        return Retrieved(state.entity_id, mode, ((factor, value),), weight, recent, *seen)


def is_lapsed(state: EntityState, now: datetime) -> bool:
    """Whether the user liked it, met it often, and has left it behind."""
    return state.weight > 0 and state.count >= _LAPSED_MINIMUM and now - state.last_seen >= _LAPSED_AFTER


def retrieve(
    states: Mapping[str, EntityState],
    graph: CatalogGraph,
    context_entity_ids: Collection[str],
    now: datetime,
    modes: Sequence[Mode],
    limit: int,
    companions: CompanionsOf = no_companions,
    *,
    context_only: bool = False,
) -> list[Retrieved]:
    """At most `limit` entities of each mode, the modes as ordered, each by score, then popularity, then id.

    `states` are the user's, by entity id; of many, only those are looked at that the context needs. With
    `context_only`, entities that the context does not name are left out, such as neighbours of what it names.
    """
    context = frozenset(context_entity_ids)
    if context_only and not context:
        return []
    named = [states[entity_id] for entity_id in sorted(context) if entity_id in states]
    question = _Question(states, graph, context, now, limit, companions, context_only, named)
    result: list[Retrieved] = []
    for mode in modes:
        found = _FINDERS[mode](question)
        result += sorted(found, key=lambda r: (-r.score, -graph.prior(r.entity_id), r.entity_id))[:limit]
    return result


def _familiar(question: _Question) -> Iterator[Retrieved]:
    familiar = (state for state in question.in_context() if question.is_familiar(state))
    scored = ((_saturate(state.weight_at(question.now)), state) for state in familiar)
    for interest, state in question.best(scored):
        yield question.retrieved(state, Mode.FAMILIAR, FactorName.INTEREST, interest)


def _unfamiliar(question: _Question) -> Iterator[Retrieved]:
    for entity_id in question.context:
        state = question.states.get(entity_id)
        if state is None:
            yield Retrieved(entity_id, Mode.UNFAMILIAR, ((FactorName.RARITY, 1.0),))
        elif state.count <= 1 and state.weight >= 0:
            yield question.retrieved(state, Mode.UNFAMILIAR, FactorName.RARITY, 1 / (1 + state.count))


def _lapsed(question: _Question) -> Iterator[Retrieved]:
    lapsed = (state for state in question.in_context() if is_lapsed(state, question.now))
    for interest, state in question.best((_saturate(state.weight), state) for state in lapsed):
        yield question.retrieved(state, Mode.LAPSED, FactorName.INTEREST, interest)


def _neighbour(question: _Question) -> Iterator[Retrieved]:
    """The best `limit` alone: the neighbours of a hub are thousands."""
    graph, bridges = question.graph, _bridges(question)
    scored = ((-bridge.score, -graph.prior(entity_id), entity_id) for entity_id, bridge in bridges.items())
    for _, _, entity_id in nsmallest(question.limit, scored):
        bridge = bridges[entity_id]
        closeness = (FactorName.COMPANY if bridge.users else FactorName.CLOSENESS, bridge.closeness)
        factors = ((FactorName.INTEREST, bridge.interest), closeness)
        yield Retrieved(entity_id, Mode.NEIGHBOUR, factors, via=bridge.via, via_users=bridge.users)


@dataclass(frozen=True, slots=True)
class _Bridge:
    """How a familiar entity leads to one that was never seen: by an edge, or by `users` who care about both."""

    via: str
    interest: float
    closeness: float
    users: int = 0

    @property
    def score(self) -> float:
        return self.interest * self.closeness


def _bridges(question: _Question) -> dict[str, _Bridge]:
    """Of each entity never seen the best; it, or the familiar one, is in the context, if there is one."""
    seen = frozenset(question.states)
    unseen = sorted(question.context - seen)
    heaviest = question.heaviest(MOST_SOURCES)
    found = _edges(question, heaviest, unseen, seen)
    leading = heaviest[:MOST_COMPANY]
    popular = nsmallest(MOST_COMPANY, unseen, key=lambda entity_id: -question.graph.prior(entity_id))
    companions = question.companions([*(state.entity_id for state in leading), *popular])
    for state in leading:
        interest = _saturate(state.weight_at(question.now))
        for each in companions.get(state.entity_id, ()):
            if each.entity_id not in seen and question.wants(each.entity_id):
                _improve(found, each.entity_id, _Bridge(state.entity_id, interest, each.strength, each.users))
    for entity_id in popular:
        for each in companions.get(entity_id, ()):
            if each.entity_id in seen and question.is_familiar(via := question.states[each.entity_id]):
                interest = _saturate(via.weight_at(question.now))
                _improve(found, entity_id, _Bridge(via.entity_id, interest, each.strength, each.users))
    return found


def _improve(found: dict[str, _Bridge], entity_id: str, bridge: _Bridge) -> None:
    """A bridge of the same score stays: an edge before users, a heavier entity before a lighter."""
    if entity_id not in found or bridge.score > found[entity_id].score:
        found[entity_id] = bridge


def _edges(
    question: _Question, heaviest: Sequence[EntityState], unseen: Sequence[str], seen: frozenset[str]
) -> dict[str, _Bridge]:
    """By the graph: of several familiar entities beside one the heaviest."""
    graph = question.graph
    found = {} if question.context_only else _around(question, heaviest, seen)
    for entity_id in unseen:
        around = graph.linked(entity_id) & seen
        familiar = [state for state in map(question.states.__getitem__, around) if question.is_familiar(state)]
        if familiar:
            via = min(familiar, key=question.by_weight)
            interest = _saturate(via.weight_at(question.now))
            found[entity_id] = _Bridge(via.entity_id, interest, 1 / graph.hub(entity_id))
    return found


def _around(question: _Question, heaviest: Sequence[EntityState], seen: frozenset[str]) -> dict[str, _Bridge]:
    """What is beside the heaviest. The closest of each come first, and what is behind `limit` better ones is not looked
    at.
    """
    graph, found = question.graph, dict[str, _Bridge]()
    best: list[float] = []  # a heap of the `limit` largest scores
    for state in heaviest:
        interest = _saturate(state.weight_at(question.now))
        for entity_id in graph.closest(state.entity_id):
            closeness = 1 / graph.hub(entity_id)
            score = interest * closeness
            if len(best) == question.limit and score < best[0]:
                break
            if entity_id not in seen and entity_id not in found:  # the first is the heaviest
                found[entity_id] = _Bridge(state.entity_id, interest, closeness)
                heappush(best, score) if len(best) < question.limit else heappushpop(best, score)
    return found


def _saturate(weight: float) -> float:
    return weight / (1 + weight)


_FINDERS: Mapping[Mode, Callable[[_Question], Iterator[Retrieved]]] = {
    Mode.FAMILIAR: _familiar,
    Mode.UNFAMILIAR: _unfamiliar,
    Mode.LAPSED: _lapsed,
    Mode.NEIGHBOUR: _neighbour,
}
