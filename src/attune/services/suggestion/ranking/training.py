"""Learning the weights: a conditional logit over each list, robust to lists that nothing could have foreseen.

Of a list with candidates i and the one y that was asked, the likelihood is (McFadden, 1974; as a ranking loss ListNet's
top one, Cao et al., ICML 2007), with a share e of lists in which the user turned to something else:

    P(y) = (1 - e) * exp(s_y) / sum_i exp(s_i) + e / n

Half of real next queries are new topics. Without e the weights would be spent on them, in vain. Weights are pulled
towards PRIOR by L2, so that a feature that the log has nothing of keeps the weight that it was given by hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from attune.services.suggestion.ranking.errors import RankerError
from attune.services.suggestion.ranking.features import FEATURES, NEVER_WORSE
from attune.services.suggestion.ranking.model import RankerModel

UNFORESEEN = 0.5
"""e. Chosen among 0, .1, .3, .5, .7 and .8 by cross-validation on excite_small. Learned along with the weights it came
out smaller there, and the weights worse: a likely list is not yet one with the right query on top.
"""
_L2 = 10.0
"""Chosen among 1, 5, 10 and 20, as is UNFORESEEN."""
_PRIOR = {
    "query_cosine": 7.0,
    "page_cosine": 2.0,
    "knows_familiar": 1.0,
    "knows_lapsed": 1.0,
    "knows_neighbour": 0.5,
    "asked_next": 1.0,
    "asked_by": 0.3,
    "is_title": 1.0,
}
"""For one unit of the feature as it is; others 0."""
_LEAST_SCALE = 1e-6


@dataclass(frozen=True, slots=True)
class Lesson:
    """Features [n, len(FEATURES)] of a list, and the place in it of the one that was asked."""

    values: NDArray[np.float32]
    chosen: int


def fit(lessons: Sequence[Lesson], provenance: dict[str, Any] | None = None) -> RankerModel:
    """The ranker that these lists teach. Raises RankerError where there is none with two candidates or more."""
    useful = [each for each in lessons if len(each.values) > 1]
    if not useful:
        raise RankerError("there is no list with a choice in it to learn from: give a log with more queries")
    means, scales = _scaling(useful)
    lists = _Lists.of(useful, means, scales)
    prior = np.array([_PRIOR.get(name, 0.0) for name in FEATURES]) * scales
    bounds = [(0.0, None) if name in NEVER_WORSE else (None, None) for name in FEATURES]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = lists.loss(weights)
        away = weights - prior
        return value + _L2 / 2 * float(away @ away), gradient + _L2 * away

    found = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return RankerModel(found.x, means, scales, provenance or {})


def _scaling(lessons: Sequence[Lesson]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each feature; 0 and 1 of one that never differs."""
    whole = np.concatenate([each.values for each in lessons]).astype(np.float64)
    known = ~np.isnan(whole)
    counts = np.maximum(known.sum(0), 1)
    means = np.where(known, whole, 0).sum(0) / counts
    scales = np.sqrt((np.where(known, whole - means, 0) ** 2).sum(0) / counts)
    varies = scales > _LEAST_SCALE
    return np.where(varies, means, 0.0), np.where(varies, scales, 1.0)


@dataclass(frozen=True)
class _Lists:
    """Lists one below the other: `values` [rows, features] standardised, each list from a start of `starts` on."""

    values: NDArray[np.float64]
    starts: NDArray[np.intp]
    of_row: NDArray[np.intp]
    chosen: NDArray[np.intp]
    """The row of the one that was asked, by list."""

    @classmethod
    def of(cls, lessons: Sequence[Lesson], means: NDArray[np.float64], scales: NDArray[np.float64]) -> "_Lists":
        counts = np.array([len(each.values) for each in lessons])
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        whole = np.concatenate([each.values for each in lessons])
        values = (np.where(np.isnan(whole), means, whole) - means) / scales
        chosen = starts + np.array([each.chosen for each in lessons])
        return cls(values, starts, np.repeat(np.arange(len(lessons)), counts), chosen)

    def loss(self, weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The sum of -log P(y), and its gradient."""
        scores = self.values @ weights
        scores -= np.maximum.reduceat(scores, self.starts)[self.of_row]
        raised = np.exp(scores)
        shares = raised / np.add.reduceat(raised, self.starts)[self.of_row]
        counts = np.diff(np.append(self.starts, len(scores)))
        foreseen = (1 - UNFORESEEN) * shares[self.chosen]
        likelihood = foreseen + UNFORESEEN / counts
        credit = foreseen / likelihood
        pull = shares * credit[self.of_row]
        pull[self.chosen] -= credit
        return float(-np.log(likelihood).sum()), self.values.T @ pull
