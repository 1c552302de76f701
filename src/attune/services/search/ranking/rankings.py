"""Rankings by name: ways to put the same candidates in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from attune.services.search.personal import Ranked
from attune.services.search.ranking.features import IS_PERSONAL, NAMES, Values
from attune.services.search.ranking.model import SearchRanker

PLAIN = "plain"
PERSONAL = "personal"
LEARNED = "learned"
CHALLENGER = "challenger"
KNOWN = (PLAIN, PERSONAL, LEARNED, CHALLENGER)


@dataclass(frozen=True, slots=True)
class Scored:
    """Candidates as a ranking sees them, each at the place of its `Ranked`."""

    scores: NDArray[np.float64]
    """[n]; higher is better."""
    plain_scores: NDArray[np.float64]
    """[n]: what they would be without personalization."""
    parts: NDArray[np.float64] | None = None
    """[n, len(FEATURES)]: what the scores are made of; None: as the candidate itself says."""


class Ranking(Protocol):
    """One way to put candidates in order."""

    @property
    def version(self) -> str:
        """Eight hexadecimal digits; another ranking has others."""

    def scored(self, ranked: Sequence[Ranked], values: Values) -> Scored:
        """The scores of candidates, whose features are `values`."""

    def explained(self, ranked: Ranked) -> Ranked:
        """A candidate with what counts in this ranking, to be explained."""


@dataclass(frozen=True, slots=True)
class Formula:
    """The transparent one: plain, or plain plus personal."""

    name: str

    @property
    def version(self) -> str:
        """See Ranking."""
        return version_of(self.name)

    def scored(self, ranked: Sequence[Ranked], values: Values) -> Scored:
        """See Ranking."""
        del values
        plain = np.array([each.plain for each in ranked], np.float64)
        if self.name == PLAIN:
            return Scored(plain, plain)
        return Scored(np.array([each.score for each in ranked], np.float64), plain)

    def explained(self, ranked: Ranked) -> Ranked:
        """See Ranking."""
        if self.name != PLAIN:
            return ranked
        return replace(ranked, affinity=0.0, personal=0.0, evidence=(), session=None, history=None)


@dataclass(frozen=True, slots=True)
class Learned:
    """By the weights of a file. Scores are scaled so that the best and the worst candidate are 1 apart, as the plain
    ones nearly are: what the session's feedback takes off means the same in all rankings.
    """

    model: SearchRanker

    @property
    def version(self) -> str:
        """See Ranking."""
        return self.model.version

    def scored(self, ranked: Sequence[Ranked], values: Values) -> Scored:
        """See Ranking."""
        del ranked
        parts = self.model.parts(values)
        plain = parts[:, ~IS_PERSONAL].sum(1)
        width = float(np.ptp(plain)) if len(plain) else 0.0
        parts = parts / width if width > 0 else parts
        return Scored(parts.sum(1), parts[:, ~IS_PERSONAL].sum(1), parts)

    def explained(self, ranked: Ranked) -> Ranked:
        """See Ranking."""
        return ranked


@cache
def version_of(name: str) -> str:
    """That of a formula."""
    return blake2b(name.encode(), digest_size=4).hexdigest()


def contributions(parts: NDArray[np.float64]) -> Mapping[str, float]:
    """What each feature adds, of those [len(FEATURES)] that add anything."""
    return {name: float(part) for name, part in zip(NAMES, parts, strict=True) if part}
