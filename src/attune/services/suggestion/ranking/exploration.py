"""A little chance in the order of a list, so that the log can tell of orders that were not shown.

Orders are drawn by Plackett and Luce at a temperature: the first with odds exp(score / temperature), the next of the
rest likewise. Adding Gumbel noise to score / temperature and sorting draws the same (Yellott, 1977). Who was drawn to
which place has no simple probability: it is counted over many such draws.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_DRAWS = 2000


def explored(
    scores: NDArray[np.float64], temperature: float, random: np.random.Generator | None = None
) -> tuple[Sequence[int], Sequence[float]]:
    """Places of `scores` [n], falling, in the order to show; and how likely each was to come where it came.

    At temperature 0 nothing is drawn: the order stays, and each is there for certain.
    """
    if temperature <= 0 or len(scores) < 2 or random is None:
        return list(range(len(scores))), [1.0] * len(scores)
    raised = scores / temperature
    order = np.argsort(-(raised + random.gumbel(size=len(scores))))
    return order.tolist(), placing(raised, random)[order, np.arange(len(scores))].tolist()


def placing(raised: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """[n, n]: how likely each of n (row) comes to each place (column), by counting 2,000 draws; never 0."""
    count = len(raised)
    orders = np.argsort(-(raised + random.gumbel(size=(_DRAWS, count))), axis=1)
    found = np.zeros((count, count))
    np.add.at(found, (orders.ravel(), np.tile(np.arange(count), _DRAWS)), 1)
    return (found + 1 / count) / (_DRAWS + 1)
