"""Gates, learned from judged queries."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from attune.services.search.leaning.gate import Gate

SESSION_THRESHOLD = 0.5
USER_THRESHOLD = 0.58
"""What is known of a user is less often the answer than what was just said."""
PENALTY = 5.0
"""Of the squared weights, in units of a mean lesson."""


@dataclass(frozen=True)
class Lessons:
    """Of n queries the features [n, len(FEATURES)], and what the context, fully believed, adds to nDCG@10 [n].

    `counts` [n] says how much a query counts: those with somebody else's context happen less often than one's own.
    """

    values: NDArray[np.float64]
    gains: NDArray[np.float64]
    counts: NDArray[np.float64]

    def of(self, chosen: NDArray[np.bool_]) -> "Lessons":
        """Some of them."""
        return Lessons(self.values[chosen], self.gains[chosen], self.counts[chosen])


def teach(lessons: Lessons, threshold: float = 0.5, penalty: float = PENALTY) -> Gate:
    """Logistic regression of whether the context helps, each lesson weighted by how much it helps or harms."""
    means, scales = lessons.values.mean(axis=0), lessons.values.std(axis=0) + 1e-9
    inputs = np.column_stack([np.ones(len(lessons.gains)), (lessons.values - means) / scales])
    signs = np.where(lessons.gains > 0, 1.0, -1.0)
    stakes = (np.abs(lessons.gains) + 1e-4) * lessons.counts
    unit = stakes.mean()

    def loss(found: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = signs * (inputs @ found)
        value = (stakes * np.logaddexp(0, -margins)).sum() + penalty * unit * (found[1:] ** 2).sum() / 2
        slope = -(inputs * (stakes * signs * _sigmoid(-margins))[:, None]).sum(axis=0)
        slope[1:] += penalty * unit * found[1:]
        return float(value), slope

    found = minimize(loss, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x
    return Gate(float(found[0]), found[1:], means, scales, threshold)


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -50, 50))), np.float64)
