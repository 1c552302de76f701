"""The contexts of a search: the session or, where it does not count, what the user has said or read before."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attune.services.search.leaning.doors import agrees, is_near, leans_back
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
    swayed,
)

AFTER_A_TURN = 0.05
"""By so much likelier it must be that the user's interests help, where something was said before that does not."""


@dataclass(frozen=True)
class Interests:
    """What the user has said, or read: unit vectors [m, d], and between 0 and 1 how much each counts [m]."""

    vectors: NDArray[np.float32]
    strengths: Scores

    def __bool__(self) -> bool:
        return len(self.strengths) > 0


@dataclass(frozen=True)
class Step:
    """What one context makes of the scores: its ranking, its gate's inputs, its door and weight, its additions [n]."""

    ranking: Beside
    values: NDArray[np.float64]
    door: float
    """Between 0 and 1: how far the gate may let it through."""
    weight: float
    parts: Scores
    full: Scores
    """What it would add if it were fully believed."""
    nearest: NDArray[np.intp] | None = None
    """Of each document the nearest interest."""

    def silenced(self) -> "Step":
        """The same where it does not count."""
        return replace(self, weight=0.0, parts=np.zeros_like(self.parts))


@dataclass(frozen=True)
class Leaned:
    """The scores [n] that documents have before, and what each context adds: one of them at most."""

    base: Scores
    session: Step | None = None
    statements: Step | None = None
    documents: Step | None = None

    @property
    def steps(self) -> list[Step]:
        """Of the contexts that there are."""
        return [step for step in (self.session, self.statements, self.documents) if step is not None]

    @property
    def scores(self) -> Scores:
        """[n]: the sum."""
        return self.base + sum(step.parts for step in self.steps)


def lean(
    asked: Asked,
    query: Vector,
    candidates: Candidates,
    gates: Gates,
    *,
    session: Vector | None = None,
    statements: Interests | None = None,
    documents: Interests | None = None,
    wanted: float = 1.0,
) -> Leaned:
    """Lean the candidates' scores on one of the contexts that are there.

    The user's interests are asked only where the session does not count, and of these the kind that is foreseen to help
    more counts: two gates err more often than one.

    Args:
        asked: the query's text, as the gates see it.
        query: its vector [d].
        candidates: the documents found for the query, and for the query with the session (`mixed`).
        gates: for each context one.
        session: the vector [d] of what the user was just told or asked.
        statements: what the user said of themselves.
        documents: what the user has read.
        wanted: the caller's wish: 0 is the base ranking, 1 the default; weights never pass 1.
    """
    found = Leaned(candidates.base)
    if session is not None:
        found = replace(found, session=_of_session(asked, query, candidates, gates.session, session, wanted))
    if found.session is not None and found.session.weight > 0:
        return found
    more = 0.0 if session is None else AFTER_A_TURN
    said = read = None
    if statements:
        said = _of_statements(asked, query, candidates, gates.statements.stricter(more), statements, wanted)
    if documents:
        read = _of_documents(asked, query, candidates, gates.documents.stricter(more), documents, wanted)
    if said and read:
        said, read = (said, read.silenced()) if said.weight >= read.weight else (said.silenced(), read)
    return replace(found, statements=said, documents=read)


def _of_session(
    asked: Asked, query: Vector, candidates: Candidates, gate: Gate, session: Vector, wanted: float
) -> Step:
    ranking = beside(candidates, query, candidates.cosines(session), SESSION_SHARE)
    values = features(asked, candidates.base, ranking, float(query @ session))
    door = leans_back(asked.text)
    weight = min(1.0, wanted * door * gate.weight(values))
    full = leaned(candidates, ranking)
    return Step(ranking, values, door, weight, weight * full, full)


def _of_statements(
    asked: Asked, query: Vector, candidates: Candidates, gate: Gate, said: Interests, wanted: float
) -> Step:
    ranking, cosine, which = _beside_interests(query, candidates, said)
    values = features(asked, candidates.base, ranking, cosine)
    door = max(leans_back(asked.text), agrees(candidates.base, ranking, barely=True))
    weight = min(1.0, wanted * door * gate.weight(values))
    full = leaned(candidates, ranking)
    return Step(ranking, values, door, weight, weight * full, full, which)


def _of_documents(
    asked: Asked, query: Vector, candidates: Candidates, gate: Gate, read: Interests, wanted: float
) -> Step:
    ranking, cosine, which = _beside_interests(query, candidates, read)
    values = features(asked, candidates.base, ranking, cosine)
    door = max(leans_back(asked.text), min(agrees(candidates.base, ranking), is_near(ranking, cosine)))
    weight = min(1.0, wanted * door * gate.weight(values))
    full = swayed(candidates, ranking)
    return Step(ranking, values, door, weight, weight * full, full, which)


def _beside_interests(
    query: Vector, candidates: Candidates, interests: Interests
) -> tuple[Beside, float, NDArray[np.intp]]:
    """The ranking beside the nearest interests, the query's cosine to its own nearest, and of each document which."""
    support, which = nearest_interest(candidates, interests.vectors, interests.strengths)
    return beside(candidates, query, support, USER_SHARE), float((interests.vectors @ query).max()), which
