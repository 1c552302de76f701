"""Both contexts of a search: the session or, where it does not count, what the user cares about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.services.search.leaning.gate import Asked, Gate, features
from attune.services.search.leaning.gates import Gates
from attune.services.search.leaning.mixing import (
    SESSION_SHARE,
    USER_SHARE,
    Beside,
    Candidates,
    Scores,
    Vector,
    beside,
    leaned,
    nearest_interest,
)

AFTER_A_TURN = 0.05
"""By so much likelier it must be that the user's interests help, where something was said before that does not."""


@dataclass(frozen=True)
class Interests:
    """What the user cares about: unit vectors [m, d], and between 0 and 1 how much [m]."""

    vectors: NDArray[np.float32]
    strengths: Scores

    def __bool__(self) -> bool:
        return len(self.strengths) > 0


@dataclass(frozen=True)
class Step:
    """What one context makes of the scores: its ranking, its gate's inputs and weight, its additions [n]."""

    ranking: Beside
    values: NDArray[np.float64]
    weight: float
    parts: Scores
    full: Scores
    """What it would add if it were fully believed."""
    nearest: NDArray[np.intp] | None = None
    """Of each document the nearest interest."""


@dataclass(frozen=True)
class Leaned:
    """The scores [n] that documents have before, and what the session or the user's interests add."""

    base: Scores
    session: Step | None
    user: Step | None

    @property
    def scores(self) -> Scores:
        """[n]: the sum."""
        return self.base + sum(step.parts for step in (self.session, self.user) if step is not None)


def lean(
    asked: Asked,
    query: Vector,
    candidates: Candidates,
    gates: Gates,
    *,
    session: Vector | None = None,
    interests: Interests | None = None,
    wanted: float = 1.0,
) -> Leaned:
    """Lean the candidates' scores on the contexts that are there.

    The user's interests are asked only where the session does not count: two gates err more often than one.

    Args:
        asked: the query's text, as the gates see it.
        query: its vector [d].
        candidates: the documents found for the query, and for the query with the session (`mixed`).
        gates: for each context one.
        session: the vector [d] of what the user was just told or asked.
        interests: what the user cares about.
        wanted: the caller's wish: 0 is the base ranking, 1 the default; weights never pass 1.
    """
    first = second = None
    if session is not None:
        first = _of_session(asked, query, candidates, gates.session, session, wanted)
    if interests and (first is None or first.weight <= 0):
        gate = gates.user if first is None else gates.user.stricter(AFTER_A_TURN)
        second = _of_user(asked, query, candidates, gate, interests, wanted)
    return Leaned(candidates.base, first, second)


def _of_session(
    asked: Asked, query: Vector, candidates: Candidates, gate: Gate, session: Vector, wanted: float
) -> Step:
    ranking = beside(candidates, query, candidates.cosines(session), SESSION_SHARE)
    values = features(asked, candidates.base, ranking, float(query @ session))
    return _step(candidates, ranking, values, min(1.0, wanted * gate.weight(values)))


def _of_user(
    asked: Asked, query: Vector, candidates: Candidates, gate: Gate, interests: Interests, wanted: float
) -> Step:
    support, which = nearest_interest(candidates, interests.vectors, interests.strengths)
    ranking = beside(candidates, query, support, USER_SHARE)
    values = features(asked, candidates.base, ranking, float((interests.vectors @ query).max()))
    return _step(candidates, ranking, values, min(1.0, wanted * gate.weight(values)), which)


def _step(
    candidates: Candidates,
    ranking: Beside,
    values: NDArray[np.float64],
    weight: float,
    nearest: NDArray[np.intp] | None = None,
) -> Step:
    parts, full = leaned(candidates, ranking, weight), leaned(candidates, ranking, 1.0)
    return Step(ranking, values, weight, parts, full, nearest)
