"""How good rankings are, and how sure their differences: drawn anew by user, as queries of one user are alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.evaluation.significance import Interval, resampled_all

PLACES = (1, 5, 10)


@dataclass(frozen=True)
class Ranks:
    """Of each case the expected one-based rank of the next query, equals counted half; and the number of its user."""

    ranks: NDArray[np.float64]
    users: NDArray[np.intp]

    def of(self, chosen: NDArray[np.bool_]) -> "Ranks":
        """Those of some cases."""
        return Ranks(self.ranks[chosen], self.users[chosen])

    @property
    def reciprocal(self) -> NDArray[np.float64]:
        found: NDArray[np.float64] = 1 / self.ranks
        return found

    def figures(self) -> dict[str, float]:
        """MRR with its interval, and success at 1, 5 and 10."""
        found = interval(self.reciprocal, self.users)
        success = {f"success_at_{place}": float((self.ranks <= place).mean()) for place in PLACES}
        return {"mrr": found.mean, "mrr_low": found.low, "mrr_high": found.high, **success}


def rank_of(scores: NDArray[np.float64], place: int, allowed: NDArray[np.bool_]) -> float:
    """The one-based rank of one candidate among those allowed; of equals, the mean."""
    others = allowed.copy()
    others[place] = False
    better = np.count_nonzero(scores[others] > scores[place])
    return float(1 + better + np.count_nonzero(scores[others] == scores[place]) / 2)


def gain(ours: Ranks, theirs: Ranks) -> Interval:
    """The interval of the difference in MRR on the same cases."""
    return interval(ours.reciprocal - theirs.reciprocal, ours.users)


def interval(values: NDArray[np.float64], users: NDArray[np.intp]) -> Interval:
    """Of the mean over cases, with users drawn anew and all their cases with them."""
    _, number = np.unique(users, return_inverse=True)
    sums, counts = np.bincount(number, values), np.bincount(number)

    def mean(drawn: Sequence[NDArray[np.intp]]) -> float:
        return float(sums[drawn[0]].sum() / counts[drawn[0]].sum())

    return resampled_all([len(counts)], mean)


def named(name: str, found: Interval) -> dict[str, float]:
    """A figure with its bounds."""
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
