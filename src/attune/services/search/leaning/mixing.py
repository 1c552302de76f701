"""Rankings that look at more than the query: beside what was just asked, and beside what the user cares about.

    beside(d)   = cos(query, d) + SHARE * support(d)
    support(d)  = cos(last answer, d)                                   of the session
    support(d)  = max over what the user cares about: strength * cos(it, d)      of the user
    score(d)    = base(d) + g * (61 / (60 + rank of d by beside) - base(d))      in (0, 1]

base is the plain score; g is between 0 and 1, from the gate. So at g = 0 the
ranking is the base one, whatever else is known, and what a context adds to a document, or takes from it, is told apart
from the rest of its score. The formulas are ours; why similarity enters here and not as an addend to the score, and why
the nearest interest counts and not their mean, is in docs/search-personal.md.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from attune.services.search.fusion import K

SESSION_SHARE = 0.6
"""How much the last answer counts beside the query."""
USER_SHARE = 0.3
"""How much the nearest interest counts beside the query."""
TOP = 10

Vector = NDArray[np.float32]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """Documents that a ranking is made of: their unit vectors [n, d], and their scores [n] before, 0 where a document
    was not found then. A row of zeros is a document whose vector is not comparable with the query's.
    """

    vectors: NDArray[np.float32]
    base: Scores
    dense: Scores
    """[n]: what the dense ranking has given to the score before."""
    first: float
    """What it gives to its first one."""

    @cached_property
    def comparable(self) -> NDArray[np.bool_]:
        """[n]: whether a document has a vector."""
        return np.asarray(self.vectors.any(axis=1), np.bool_)

    def cosines(self, vector: Vector) -> Scores:
        """[n]: to a vector [d]."""
        return np.asarray(self.vectors @ vector, np.float64)


@dataclass(frozen=True)
class Beside:
    """A ranking with a context: of each document the cosine to the query, how near it is to the context, its rank."""

    cosines: Scores
    support: Scores
    ranks: NDArray[np.intp]
    """One-based."""

    @property
    def shares(self) -> Scores:
        """[n]: 1 for the first, as the plain score has it for a document that all rankings have first."""
        return np.asarray((K + 1) / (K + self.ranks), np.float64)


def beside(candidates: Candidates, query: Vector, support: Scores, share: float) -> Beside:
    """Rank by the query and by a context's support."""
    cosines = candidates.cosines(query)
    order = np.argsort(-(cosines + share * support), kind="stable")
    ranks = np.empty(len(order), np.intp)
    ranks[order] = np.arange(1, len(order) + 1)
    return Beside(cosines, support, ranks)


def nearest_interest(
    candidates: Candidates, interests: NDArray[np.float32], strengths: Scores
) -> tuple[Scores, NDArray[np.intp]]:
    """Of each document how near the nearest of the user's interests [m, d] is, and which it is; m is 1 or more."""
    near = (candidates.vectors @ interests.T) * strengths
    which = near.argmax(axis=1)
    return np.asarray(near[np.arange(len(near)), which], np.float64), which


def leaned(candidates: Candidates, ranking: Beside) -> Scores:
    """What a context adds to each score, or takes from it, if it is fully believed; nothing where not comparable."""
    return np.where(candidates.comparable, ranking.shares - candidates.base, 0.0)


def swayed(candidates: Candidates, ranking: Beside) -> Scores:
    """The same where its ranking takes the place of the dense one, and words keep what they gave."""
    instead = candidates.first * ranking.shares - candidates.dense
    return np.where(candidates.comparable, instead, 0.0)


def mixed(query: Vector, context: Vector, share: float = SESSION_SHARE) -> Vector:
    """The unit vector that documents are looked for with, in one search, for both."""
    whole = query + share * context
    return np.asarray(whole / max(float(np.linalg.norm(whole)), 1e-9), np.float32)
