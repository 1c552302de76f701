"""The true neighbours of queries, kept up while vectors come: no vector is remembered."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from attune.services.cli.measure.search_speed.material import Vectors


@dataclass
class Exact:
    """The best of each query [q, d], by cosine; all vectors are of length 1."""

    queries: Vectors
    kept: int
    _scores: NDArray[np.float32] = field(init=False)
    _numbers: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        """Nothing has come yet."""
        shape = (len(self.queries), self.kept)
        self._scores = np.full(shape, -np.inf, np.float32)
        self._numbers = np.full(shape, -1, np.int64)

    def take(self, numbers: NDArray[np.int64], vectors: Vectors) -> None:
        """Compare some more [n, d] with those numbers [n]."""
        if not len(numbers):
            return
        scores = np.hstack([self._scores, self.queries @ vectors.T])
        all_numbers = np.hstack([self._numbers, np.broadcast_to(numbers, (len(self.queries), len(numbers)))])
        best = np.argpartition(-scores, self.kept - 1, axis=1)[:, : self.kept]
        self._scores = np.take_along_axis(scores, best, axis=1)
        self._numbers = np.take_along_axis(all_numbers, best, axis=1)

    def neighbours(self, query: int) -> set[str]:
        """The ids of the nearest."""
        return {str(each) for each in self._numbers[query] if each >= 0}
