"""How likely a user looks at a place, learned from the clicks themselves.

The position-based model (Richardson, Dominowska and Ragno, WWW 2007): a hit is clicked if the user looks at its place
and finds it relevant,

    P(click) = theta(position) * relevance(hit),     theta(1) = 1

theta is a piecewise linear function of log position, in logarithms; above its last knot it stays. It is the maximum
likelihood of one of two models of relevance:

- features: relevance = 1 / (1 + exp(-(w x + b))), what the ranking saw (Wang, Golbandi, Bendersky, Metzler and Najork,
  "Position Bias Estimation for Unbiased Learning to Rank in Personal Search", WSDM 2018, section 4; theirs is found by
  expectation maximization, with trees). It needs nothing but a log, and is wrong by as much as the ranking knew of
  relevance that no feature tells.
- interleaving: hits that, by the draw, could have stood at two places are as relevant at one as at the other (Agarwal,
  Zaitsev, Wang, Li, Najork and Joachims, "Estimating Position Bias without Intrusive Interventions", WSDM 2019,
  section 4.2, "AllPairs"). Nothing need be known of relevance. Places that were not drawn stay as the features say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from attune.services.search.ranking.shown import ShownList

KNOTS = np.array([1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100])
_LEAST_CLICKS = 300
"""On hits whose places were drawn; of fewer, theta would be more luck than the features' is wrong."""
_LOWEST = -5.0
"""log theta."""
_LEAST_CHANCE = 0.05
"""Of a place, so that no hit counts for more than 20."""
_RIDGE = 1.0
_TINY = 1e-9
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PositionBias:
    """`log_theta` [len(KNOTS)], 0 at the first; `method` is how it was found: "features", "interleaving" or "none"."""

    log_theta: Floats
    method: str

    def theta(self, positions: Sequence[int] | NDArray[np.int64]) -> Floats:
        """[n]: how likely a user looks at each of these one-based positions."""
        found: Floats = np.exp(_at(np.asarray(positions)) @ self.log_theta)
        return found


NO_BIAS = PositionBias(np.zeros(len(KNOTS)), "none")
"""As if everything were looked at: what clicks say if they are just counted."""


def estimate(lists: Sequence[ShownList]) -> PositionBias:
    """From all lists that were shown, with and without clicks."""
    by_features = _of_features(lists)
    clicks, others, drawn_clicks = _pairs(lists)
    if drawn_clicks < _LEAST_CLICKS:
        return PositionBias(by_features, "features")
    return PositionBias(_of_pairs(clicks, others, by_features), "interleaving")


def _at(positions: NDArray[np.int64]) -> Floats:
    """[n, len(KNOTS)]: how far each knot counts at each position."""
    knots, rows = np.log(KNOTS), np.log(np.clip(positions, 1, KNOTS[-1]))
    return np.stack([np.interp(rows, knots, unit) for unit in np.eye(len(KNOTS))], axis=1)


def _of_features(lists: Sequence[ShownList]) -> Floats:
    tokens = [token for each in lists for token in each.tokens]
    clicked = np.array([chosen for each in lists for chosen in each.chosen], np.float64)
    at = _at(np.array([token.position for token in tokens]))
    values = _standardised(np.stack([token.values for token in tokens]).astype(np.float64))
    count = len(KNOTS) - 1

    def loss(parameters: Floats) -> tuple[float, Floats]:
        log_theta, weights = parameters[:count], parameters[count:]
        looked, relevant = np.exp(at[:, 1:] @ log_theta), 1 / (1 + np.exp(-(values @ weights)))
        chance = np.clip(looked * relevant, _TINY, 1 - _TINY)
        pull = chance * (clicked / chance - (1 - clicked) / (1 - chance))
        likelihood = clicked * np.log(chance) + (1 - clicked) * np.log(1 - chance)
        by_theta = at[:, 1:].T @ pull - _RIDGE * log_theta
        by_weight = values.T @ (pull * (1 - relevant)) - _RIDGE * weights
        ridge = _RIDGE / 2 * float(parameters @ parameters)
        return ridge - float(likelihood.sum()), -np.concatenate([by_theta, by_weight])

    start = np.concatenate([-0.5 * np.log(KNOTS[1:]), np.zeros(values.shape[1])])
    bounds = [(_LOWEST, 0.0)] * count + [(-10.0, 10.0)] * values.shape[1]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return np.concatenate([[0.0], found.x[:count]])


def _standardised(values: Floats) -> Floats:
    """With a column of ones; what is unknown is the mean."""
    known = ~np.isnan(values)
    counts = np.maximum(known.sum(0), 1)
    means = np.where(known, values, 0).sum(0) / counts
    filled = np.where(known, values - means, 0.0)
    scales = np.sqrt((filled**2).sum(0) / counts)
    return np.column_stack([filled / np.where(scales > 0, scales, 1.0), np.ones(len(values))])


def _pairs(lists: Sequence[ShownList]) -> tuple[Floats, Floats, int]:
    """[P, P] twice: of hits that could have stood at the place of the row and at that of the column, and stood at the
    row's, how many were clicked and how many not, each counted by 1 / its chance to stand there. And how many clicks.
    """
    most = max((max(token.places, default=0) for each in lists for token in each.tokens), default=0)
    clicks, others = np.zeros((most + 1, most + 1)), np.zeros((most + 1, most + 1))
    total = 0
    for each in lists:
        for token, chosen in zip(each.tokens, each.chosen, strict=True):
            elsewhere = [place for place, chance in token.places.items() if chance >= _LEAST_CHANCE]
            elsewhere = [place for place in elsewhere if place != token.position]
            if elsewhere and token.places[token.position] >= _LEAST_CHANCE:
                counted = clicks if chosen else others
                counted[token.position, elsewhere] += 1 / token.places[token.position]
                total += chosen
    return clicks, others, total


def _of_pairs(clicks: Floats, others: Floats, before: Floats) -> Floats:
    rows, columns = np.nonzero(clicks + others)
    unordered = {
        pair: number for number, pair in enumerate(sorted({(min(p), max(p)) for p in zip(rows, columns, strict=True)}))
    }
    pair = np.array([unordered[min(p), max(p)] for p in zip(rows, columns, strict=True)])
    hit, missed, at = clicks[rows, columns], others[rows, columns], _at(rows)[:, 1:]
    count = len(KNOTS) - 1

    def loss(parameters: Floats) -> tuple[float, Floats]:
        log_theta, relevance = parameters[:count], 1 / (1 + np.exp(-parameters[count:][pair]))
        chance = np.clip(np.exp(at @ log_theta) * relevance, _TINY, 1 - _TINY)
        pull = hit - missed * chance / (1 - chance)
        likelihood = hit * np.log(chance) + missed * np.log(1 - chance)
        away = log_theta - before[1:]
        by_pair = np.bincount(pair, pull * (1 - relevance), len(unordered))
        gradient = np.concatenate([at.T @ pull - _RIDGE * away, by_pair])
        return _RIDGE / 2 * float(away @ away) - float(likelihood.sum()), -gradient

    start = np.concatenate([before[1:], np.full(len(unordered), -1.0)])
    bounds = [(_LOWEST, 0.0)] * count + [(-10.0, 10.0)] * len(unordered)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000})
    return np.concatenate([[0.0], found.x[:count]])
