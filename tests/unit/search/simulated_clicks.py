"""Users who click by the position-based model, on lists that known rankings made: what is true is known."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from attune.events.v1.events_pb2 import EVENT_TYPE_CLICK, EVENT_TYPE_IMPRESSION, EventType, InteractionEvent
from attune.services.search.comparing.team_draft import all_coins, seeded, team_draft
from attune.services.search.ranking.features import NAMES
from attune.services.search.ranking.rankings import version_of
from attune.services.search.ranking.token import Method, Token

HITS = 10
DRAFTED = 6
DRAWN = 9
"""In so many features candidates differ. Later ones are 0, so that a new one does not draw other worlds."""
FIRST, SECOND = version_of("personal"), version_of("plain")
Order = Callable[[NDArray[np.float32], NDArray[np.float64]], list[int]]
"""From features [n, len(NAMES)] and what is true of the candidates [n] to places, the best first."""


def weights(**named: float) -> NDArray[np.float64]:
    return np.array([named.get(name, 0.0) for name in NAMES])


def by(wanted: NDArray[np.float64], hidden: float = 0.0) -> Order:
    """A ranking by these weights, and by so much of what is true and in no feature."""
    return lambda values, truth: np.argsort(-(values @ wanted + hidden * truth), kind="stable").tolist()


def looking(position: int) -> float:
    """How likely a user looks there."""
    return 1 / position


class World:
    """Queries with candidates whose relevance is a logistic of their features, and of something in no feature."""

    def __init__(self, truth: NDArray[np.float64], seed: int, hidden: float = 0.0, seldom: float = 1.5) -> None:
        self.random = np.random.default_rng(seed)
        self.truth = truth
        self.hidden = hidden
        self.seldom = seldom

    def candidates(self, count: int = HITS) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
        """Features, what no feature tells, and relevance."""
        drawn = self.random.normal(size=(count, DRAWN)).astype(np.float16).astype(np.float32)
        values = np.pad(drawn, ((0, 0), (0, len(NAMES) - DRAWN)))
        hidden = self.random.normal(size=count)
        return values, hidden, 1 / (1 + np.exp(-(values @ self.truth + self.hidden * hidden - self.seldom)))

    def shown(self, count: int, order: Order, *, users: int = 200) -> Iterator[InteractionEvent]:
        """Lists of one ranking."""
        for number in range(count):
            values, hidden, relevance = self.candidates()
            tokens = [
                Token(position, values[place], FIRST) for position, place in enumerate(order(values, hidden), start=1)
            ]
            ids = order(values, hidden)
            yield from self._events(number, users, tokens, relevance[ids])

    def interleaved(
        self, count: int, first: Order, second: Order, *, users: int = 200, chances: bool = False
    ) -> Iterator[InteractionEvent]:
        """Lists of two; with the chances of each place, which take most of the time."""
        for number in range(count):
            values, hidden, relevance = self.candidates(DRAFTED)
            orders = [[str(place) for place in order(values, hidden)] for order in (first, second)]
            drafted = team_draft(orders[0], orders[1], DRAFTED, seeded(f"{number}/{self.random.integers(2**60)}"))
            places = _chances(orders) if chances else {}
            tokens = [
                Token(position, values[int(each)], FIRST, SECOND, Method.INTERLEAVING, team, places.get(each, {}))
                for position, (each, team) in enumerate(zip(drafted.ids, drafted.teams, strict=True), start=1)
            ]
            yield from self._events(number, users, tokens, relevance[[int(each) for each in drafted.ids]])

    def by_users(self, count: int, first: Order, second: Order, *, users: int = 200) -> Iterator[InteractionEvent]:
        """Every other user gets the second ranking."""
        for number in range(count):
            values, hidden, relevance = self.candidates()
            team = 1 + number % users % 2
            order = (first, second)[team - 1](values, hidden)
            tokens = [
                Token(position, values[place], FIRST, SECOND, Method.USERS, team)
                for position, place in enumerate(order, start=1)
            ]
            yield from self._events(number, users, tokens, relevance[order])

    def _events(
        self, number: int, users: int, tokens: Sequence[Token], relevance: NDArray[np.float64]
    ) -> Iterator[InteractionEvent]:
        for token, chance in zip(tokens, relevance, strict=True):
            yield event(number, users, EVENT_TYPE_IMPRESSION, token)
            if self.random.random() < looking(token.position) * chance:
                yield event(number, users, EVENT_TYPE_CLICK, token)


def _chances(orders: Sequence[Sequence[str]]) -> dict[str, dict[int, float]]:
    ways = [team_draft(orders[0], orders[1], DRAFTED, coin).ids for coin in all_coins(DRAFTED // 2, "")]
    places = {each: [way.index(each) + 1 for way in ways] for each in orders[0]}
    return {each: {place: found.count(place) / len(ways) for place in found} for each, found in places.items()}


def event(number: int, users: int, kind: EventType.ValueType, token: Token) -> InteractionEvent:
    return InteractionEvent(
        tenant_id="acme",
        user_id=f"u{number % users}",
        session_id=f"s{number // 3}",
        query_id=f"q{number}",
        type=kind,
        object_id="d",
        attributes={"search_token": token.encoded()},
    )
