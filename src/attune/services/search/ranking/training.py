"""A search ranker from what was clicked and judged, as if users had looked at every hit.

Of a list with scores s, a click at position k counts against all hits of the list by the inverse of how likely its
place was looked at (Joachims, Swaminathan and Schnabel, "Unbiased Learning-to-Rank with Biased Feedback", WSDM 2017,
equation 4; with the softmax loss of ListNet's top one, Cao et al., ICML 2007), and a judgement against a hit as it is:

    loss = sum over chosen i of  min(1 / theta(k_i), 20) * -log p_i  +  sum over rejected i of  -log (1 - p_i)
    p = softmax(s)

In expectation the weights are those that minimize the loss where everything is looked at. They are pulled by L2
towards the formula, plain + session + history + personal, so that a feature of which the log tells nothing stays as it
is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from attune.services.search.ranking.errors import RankerError
from attune.services.search.ranking.features import FEATURES, IS_PERSONAL, NAMES
from attune.services.search.ranking.model import SearchRanker
from attune.services.search.ranking.position_bias import PositionBias
from attune.services.search.ranking.shown import ShownList

MOST_WEIGHT = 20.0
"""Of a click: what lies so far down that nearly nobody looks is noise (Joachims et al., section 6.4)."""
_L2 = 1.0
_FORMULA = {"plain": 5.0, "session": 5.0, "history": 5.0, "personal": 5.0}
"""For one unit of the feature as it is; others 0. By how much the formula's order is believed at first."""
_LEAST_SCALE = 1e-6
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Lists one below the other, each from a start of `starts` on."""

    values: Floats
    starts: NDArray[np.intp]
    of_row: NDArray[np.intp]
    chosen: Floats
    """By row, what a click there counts."""
    rejected: Floats

    def loss(self, weights: Floats) -> tuple[float, Floats]:
        """And its gradient."""
        scores = self.values @ weights
        scores -= np.maximum.reduceat(scores, self.starts)[self.of_row]
        raised = np.exp(scores)
        totals = np.add.reduceat(raised, self.starts)
        shares = np.clip(raised / totals[self.of_row], 1e-12, 1 - 1e-12)
        value = -(self.chosen @ np.log(shares)) - self.rejected @ np.log(1 - shares)
        odds = self.rejected * shares / (1 - shares)
        of_list = np.add.reduceat(self.chosen - odds, self.starts)
        pull = shares * of_list[self.of_row] - self.chosen + odds
        return float(value), self.values.T @ pull


def fit(lists: Sequence[ShownList], bias: PositionBias, provenance: dict[str, Any] | None = None) -> SearchRanker:
    """The ranker that these lists teach, where users look at places by `bias`.

    Raises:
        RankerError: nothing was chosen or rejected where there was a choice.
    """
    useful = [each for each in lists if len(each.tokens) > 1 and (any(each.chosen) or any(each.rejected))]
    if not useful:
        raise RankerError("no hit was clicked or judged beside others: send impressions and clicks with their tokens")
    whole = np.concatenate([[token.values for token in each.tokens] for each in useful]).astype(np.float64)
    means, scales = _scaling(whole)
    rows = _rows(useful, _standardised(whole, means, scales), bias)
    prior = np.array([_FORMULA.get(name, 0.0) for name in NAMES]) * scales

    def loss(weights: Floats) -> tuple[float, Floats]:
        value, gradient = rows.loss(weights)
        away = weights - prior
        return value + _L2 / 2 * float(away @ away), gradient + _L2 * away

    bounds = [(0.0, None) if each.never_worse else (None, None) for each in FEATURES]
    found = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return SearchRanker(found.x, means, scales, provenance or {})


def _scaling(whole: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each feature; 0 and 1 of one that never differs."""
    known = ~np.isnan(whole)
    counts = np.maximum(known.sum(0), 1)
    means = np.where(known, whole, 0).sum(0) / counts
    scales = np.sqrt((np.where(known, whole - means, 0) ** 2).sum(0) / counts)
    varies = scales > _LEAST_SCALE
    return np.where(varies, means, 0.0), np.where(varies, scales, 1.0)


def _standardised(whole: Floats, means: Floats, scales: Floats) -> Floats:
    """As SearchRanker.parts has it."""
    known = np.where(np.isnan(whole), means, whole)
    found: Floats = (known - np.where(IS_PERSONAL, 0.0, means)) / scales
    return found


def _rows(lists: Sequence[ShownList], values: Floats, bias: PositionBias) -> _Rows:
    counts = np.array([len(each.tokens) for each in lists])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    positions = [token.position for each in lists for token in each.tokens]
    chosen = np.array([chosen for each in lists for chosen in each.chosen], np.float64)
    rejected = np.array([rejected for each in lists for rejected in each.rejected], np.float64)
    weights = np.minimum(1 / bias.theta(positions), MOST_WEIGHT)
    return _Rows(values, starts, np.repeat(np.arange(len(lists)), counts), chosen * weights, rejected)
