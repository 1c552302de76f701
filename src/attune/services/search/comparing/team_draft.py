"""Team-draft interleaving (Radlinski, Kurup and Joachims, "How Does Clickthrough Data Reflect Retrieval Quality?", CIKM
2008, algorithm 2).

Like captains who pick a team: in each round a coin says which ranking goes first, and each puts its best document that
is not in the list yet. A click counts for the ranking that put the document there. What both rankings begin with alike
is of no team: a click on it says nothing about them (Chapelle, Joachims, Radlinski and Yue, "Large-scale validation and
analysis of interleaved search evaluation", TOIS 2012, section 4).
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

FIRST, SECOND, NEITHER = 1, 2, 0
_MOST_EXACT = 6
"""So many coins are thrown in all ways; of more, so many ways are drawn as these have."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """Ids, the best first, and the team of each."""

    ids: tuple[str, ...]
    teams: tuple[int, ...]


def team_draft(first: Sequence[str], second: Sequence[str], depth: int, coin: Callable[[], bool]) -> Drafted:
    """The first `depth` of the list that two rankings of the same documents fill.

    `coin` says of each round whether the first ranking begins.
    """
    ids, teams = _common(first, second, depth)
    used = set(ids)
    orders = {FIRST: iter(first), SECOND: iter(second)}
    most = min(depth, len(first))
    while len(ids) < most:
        for team in (FIRST, SECOND) if coin() else (SECOND, FIRST):
            found = next((each for each in orders[team] if each not in used), None)
            if found is not None and len(ids) < most:
                ids.append(found)
                teams.append(team)
                used.add(found)
    return Drafted(tuple(ids), tuple(teams))


def _common(first: Sequence[str], second: Sequence[str], depth: int) -> tuple[list[str], list[int]]:
    ids: list[str] = []
    for left, right in zip(first[:depth], second[:depth], strict=True):
        if left != right:
            break
        ids.append(left)
    return ids, [NEITHER] * len(ids)


def seeded(name: str) -> Callable[[], bool]:
    """A coin whose throws a name decides."""
    source = random.Random(name)  # noqa: S311 - it decides an experiment, not who may what
    return lambda: source.random() < 0.5


def all_coins(rounds: int, name: str) -> Iterator[Callable[[], bool]]:
    """Coins that fall in every way there is, or in as many as can be borne."""
    if rounds <= _MOST_EXACT:
        for ways in range(2**rounds):
            yield _bits(ways)
    else:
        for draw in range(2**_MOST_EXACT):
            yield seeded(f"{name}/{draw}")


def _bits(ways: int) -> Callable[[], bool]:
    left = ways

    def coin() -> bool:
        nonlocal left
        left, fell = left >> 1, left & 1
        return bool(fell)

    return coin
