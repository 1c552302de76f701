"""The last step to a list: by one ranking or two that are interleaved, with what the user said in this session.

What never gives way: the document that is first without personalization, of all rankings concerned, stays on the first
page, at its end if need be; unless the user rejected it, or wants a page of one document and has pinned another.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from attune.services.search.comparing.plan import Assignment
from attune.services.search.comparing.team_draft import NEITHER, Drafted, all_coins, seeded, team_draft
from attune.services.search.feedback.memory import NO_FEEDBACK, SessionFeedback
from attune.services.search.personal import Ranked
from attune.services.search.ranking.features import Values, features_of
from attune.services.search.ranking.rankings import PLAIN, Ranking, Scored, contributions
from attune.services.search.ranking.token import Method, Token

_Coin: TypeAlias = Callable[[], bool]
LOWERED = 0.5
"""What a document loses for an entity that the user does not mean, times the entity's rarity: half of the best plain
score, if no other candidate has that entity."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What decides a list beside its candidates: how many hits a page has, and the name of the search."""

    page_size: int
    query_id: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A candidate in the list that the user gets."""

    ranked: Ranked
    """As the ranking sees it that its score is of."""
    score: float
    token: Token
    lowered: float = 0.0
    """What the user's feedback added to the score: 0 or less."""
    parts: Mapping[str, float] | None = None
    """What the score is made of, for a learned ranking."""
    ranking: str = ""
    """The one that put it here, where the other would not have."""
    is_pinned: bool = False


class Ordered:
    """The whole list, whose hits are made when they are asked for, and what the session's feedback did to it."""

    def __init__(self, ordering: "Ordering", ids: Sequence[str], drafted: Drafted, draw: Draw, plan: "_Plan") -> None:
        self.assignment = plan.assignment
        self.rejected = ordering.rejected
        self.lowered = ordering.lowered
        self._ordering = ordering
        self._ids = ids
        self._drafted = drafted
        self._draw = draw
        self._plan = plan
        self._teams = dict(zip(drafted.ids, drafted.teams, strict=True))

    def __len__(self) -> int:
        """How many hits the list has."""
        return len(self._ids)

    def hits(self, start: int, stop: int) -> list[Placed]:
        """Those at the places from `start`, which counts from 0, to before `stop`."""
        chances = self._chances(start)
        return [
            self._ordering.placed(
                each, position, self.assignment, self._teams.get(each, NEITHER), chances.get(each, {})
            )
            for position, each in enumerate(self._ids[start:stop], start=start + 1)
        ]

    def _chances(self, start: int) -> Mapping[str, Mapping[int, float]]:
        """How likely each hit was to come to each place of the first page; nothing, where nothing was drawn.

        Nothing is told of the pages after it, for which too many draws would have to be tried.
        """
        size = self._draw.page_size
        depth = size + self._ordering.pinned
        rounds = math.ceil(sum(team != NEITHER for team in self._drafted.teams[:depth]) / 2)
        if start >= size or not rounds:
            return {}
        shown = list(self._ids[:size])
        coins = all_coins(rounds, self._draw.query_id)
        ways = [self._ordering.first_page(self._plan, size, depth, coin) for coin in coins]
        ways += [] if shown in ways else [shown]
        counts: dict[str, Counter[int]] = {each: Counter() for each in shown}
        for way in ways:
            for position, each in enumerate(way, start=1):
                if each in counts:
                    counts[each][position] += 1
        return {each: {place: count / len(ways) for place, count in found.items()} for each, found in counts.items()}


@dataclass(frozen=True, slots=True)
class _Plan:
    """By which rankings, and what must be on the first page."""

    assignment: Assignment
    guarded: Sequence[str]


class Ordering:
    """One search's candidates, to be put in order."""

    def __init__(
        self,
        ranked: Sequence[Ranked],
        entities: Sequence[Sequence[str]],
        rankings: Mapping[str, Ranking],
        feedback: SessionFeedback = NO_FEEDBACK,
    ) -> None:
        """Of each candidate its entity ids."""
        kept = [place for place, each in enumerate(ranked) if each.fused.id not in feedback.rejected]
        self._values: Values = features_of(ranked)[kept]
        self._ranked = [ranked[place] for place in kept]
        self._lowered = np.array(_lowered(entities, feedback.not_about), np.float64)[kept]
        self._plain_ranks = np.array([each.plain_rank for each in self._ranked], np.float64)
        self._places = {each.fused.id: place for place, each in enumerate(self._ranked)}
        self._pinned = [each for each in feedback.pinned if each in self._places]
        self._rankings = rankings
        self.rejected = len(ranked) - len(kept)
        self.lowered = int(np.count_nonzero(self._lowered))
        self._scored: dict[str, Scored] = {}
        self._orders: dict[str, list[str]] = {}

    @property
    def pinned(self) -> int:
        """How many of the candidates are pinned."""
        return len(self._pinned)

    def whole(self, draw: Draw, assignment: Assignment, default: str) -> Ordered:
        """The whole list. Without personalization the order would be by `default`."""
        plan = _Plan(assignment, self._guarded([default, PLAIN, *assignment.names]))
        drafted = self._drafted(len(self._ranked), assignment, seeded(draw.query_id))
        whole = drafted.ids or self._order(assignment.names[0])
        return Ordered(self, _finished(whole, self._pinned, plan.guarded, draw.page_size), drafted, draw, plan)

    def first_page(self, plan: _Plan, size: int, depth: int, coin: _Coin) -> list[str]:
        """What the first page of `size` would be with another coin; `depth` hits of the draft fill it."""
        ids = self._drafted(depth, plan.assignment, coin).ids
        short = [*ids, *(each for each in plan.guarded if each not in ids)]
        return _finished(short, self._pinned, plan.guarded, size)[:size]

    def _scores(self, name: str) -> Scored:
        if name not in self._scored:
            self._scored[name] = self._rankings[name].scored(self._ranked, self._values)
        return self._scored[name]

    def _order(self, name: str) -> list[str]:
        if name not in self._orders:
            order = self._falling(self._scores(name).scores + self._lowered)
            self._orders[name] = [self._ranked[place].fused.id for place in order]
        return self._orders[name]

    def _falling(self, scores: NDArray[np.float64]) -> list[int]:
        """Places by falling score, equal ones by plain rank."""
        found: list[int] = np.lexsort((self._plain_ranks, -scores)).tolist()
        return found

    def _guarded(self, names: Sequence[str]) -> list[str]:
        """The first of each ranking without personalization; the one that the caller knows as the plain one first."""
        if not self._ranked:
            return []
        return list(dict.fromkeys(self._winner(name) for name in names))

    def _winner(self, name: str) -> str:
        return self._ranked[self._falling(self._scores(name).plain_scores)[0]].fused.id

    def _drafted(self, depth: int, assignment: Assignment, coin: _Coin) -> Drafted:
        """Nothing, where there is one ranking."""
        if len(assignment.names) == 1:
            return Drafted((), ())
        first, second = (self._order(name) for name in assignment.names)
        return team_draft(first, second, depth, coin)

    def placed(self, id_: str, position: int, assignment: Assignment, team: int, places: Mapping[int, float]) -> Placed:
        """The candidate as a hit at a position."""
        place = self._places[id_]
        name = assignment.names[team - 1] if team else assignment.names[0]
        scored, ranking = self._scores(name), self._rankings[name]
        lowered = float(self._lowered[place])
        return Placed(
            ranking.explained(self._ranked[place]),
            float(scored.scores[place]) + lowered,
            self._token(self._values[place], position, assignment, team, places),
            lowered,
            contributions(scored.parts[place]) if scored.parts is not None else None,
            name if team else "",
            id_ in self._pinned,
        )

    def _token(
        self, values: Values, position: int, assignment: Assignment, team: int, places: Mapping[int, float]
    ) -> Token:
        if assignment.compared is None:
            return Token(position, values, self._rankings[assignment.names[0]].version)
        first, second = (self._rankings[name].version for name in assignment.compared)
        if assignment.method is Method.USERS:
            team = assignment.compared.index(assignment.names[0]) + 1
        return Token(position, values, first, second, assignment.method, team, places)


def _lowered(entities: Sequence[Sequence[str]], not_about: frozenset[str]) -> list[float]:
    """By the rarest of the entities that are not meant; what all candidates are about says nothing of one of them."""
    if not not_about:
        return [0.0] * len(entities)
    holders = Counter(each for ids in entities for each in set(ids) & not_about)
    total = len(entities)
    rarity = {each: math.log(1 + total / count) / math.log(1 + total) for each, count in holders.items()}
    return [-LOWERED * max((rarity[each] for each in set(ids) & not_about), default=0.0) for ids in entities]


def _finished(whole: Sequence[str], pinned: Sequence[str], guarded: Sequence[str], size: int) -> list[str]:
    """What was pinned comes first; what must be on the first page and is not comes to its end."""
    first = set(pinned)
    ids = [*pinned, *(each for each in whole if each not in first)]
    page, rest = ids[:size], ids[size:]
    for place, each in enumerate(guarded):
        if each not in rest:
            continue
        leaves = _leaving(page, pinned[:1], guarded, guarded[place + 1 :])
        if leaves:
            page.remove(leaves)
            page.append(each)
            rest.remove(each)
            rest.insert(0, leaves)
    return page + rest


def _leaving(page: Sequence[str], first: Sequence[str], guarded: Sequence[str], after: Sequence[str]) -> str:
    """The last on the page that need not be there; or one of the guarded that come `after` the one that has no room."""
    free = [each for each in page if each not in guarded and each not in first]
    return next(reversed(free or [each for each in page if each in after and each not in first]), "")
