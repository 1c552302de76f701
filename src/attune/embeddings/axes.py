"""Axes of a domain's own: vectors moved and stretched so that what tells its texts apart counts more than what they
have in common.

Nothing is trained: the axes are those in which the domain's vectors vary alike in every direction (whitening: Su et
al., arXiv 2103.15316), but only a part of the way, as a few hundred texts do not tell all directions (shrinkage: Ledoit
and Wolf, 2004). How far, was chosen on five judged collections: docs/adr/0016-axes.md.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_SHRINKAGE = 0.9
"""Towards a sphere, which would leave vectors as they are."""
_CENTRED = 0.5
"""The share of the passages' mean that is taken away."""
_WITHIN_SHRINKAGE, _BETWEEN_SHRINKAGE = 0.5, 0.3
_NO_SPREAD = 1e-9


@dataclass(frozen=True)
class Axes:
    """v -> (v - centre) matrix, then of length 1. `centre` is [d], `matrix` [d, d], in fp32."""

    centre: Tensor
    matrix: Tensor

    def __call__(self, vectors: Tensor) -> Tensor:
        """[n, d] -> [n, d], normalised; the vectors are too."""
        if self._change_nothing:
            return vectors
        return functional.normalize((vectors - self.centre) @ self.matrix)

    @cached_property
    def _change_nothing(self) -> bool:
        """As those of an expert whose words are all that it has: a product that need not be waited for."""
        return not bool(self.centre.any()) and torch.equal(self.matrix, torch.eye(len(self.matrix)))

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        return self.centre.nbytes + self.matrix.nbytes

    @classmethod
    def fitted(cls, passages: NDArray[np.float32], queries: NDArray[np.float32]) -> Self:
        """To normalised vectors [n, d] of a domain's passages and of queries for them."""
        mean = passages.mean(0, dtype=np.float64)
        differences = np.concatenate([passages - mean, queries - queries.mean(0, dtype=np.float64)])
        covariance = differences.T @ differences / len(differences)
        size = len(covariance)
        spread = np.trace(covariance) / size
        if spread < _NO_SPREAD:  # texts that are all alike tell no directions
            return cls(torch.zeros(size), torch.eye(size))
        values, directions = np.linalg.eigh(_shrunk(covariance, _SHRINKAGE))
        matrix = (directions * np.sqrt(spread / values)) @ directions.T
        return cls(*(torch.from_numpy(each.astype(np.float32)) for each in (_CENTRED * mean, matrix)))

    @classmethod
    def of_pairs(cls, firsts: NDArray[np.float32], seconds: NDArray[np.float32]) -> Self:
        """To normalised vectors [n, d] of texts that belong together: what tells them from others counts.

        Both texts of a pair are one thing, seen twice: how they differ is noise, how they vary together is what they
        are about. A vector becomes the most likely value of the latter, in units of the former (probabilistic linear
        discriminant analysis: Ioffe, 2006; Prince and Elder, 2007).
        """
        mean = np.concatenate([firsts, seconds]).mean(0, dtype=np.float64)
        differences = (firsts - seconds).astype(np.float64)
        within = _shrunk(differences.T @ differences / (2 * len(differences)), _WITHIN_SHRINKAGE)
        if np.trace(within) < _NO_SPREAD:
            return cls(torch.zeros(len(mean)), torch.eye(len(mean)))
        values, directions = np.linalg.eigh(within)
        whitening = (directions / np.sqrt(values)) @ directions.T
        together = ((firsts - mean) @ whitening).T @ ((seconds - mean) @ whitening) / len(firsts)
        values, directions = np.linalg.eigh(_shrunk((together + together.T) / 2, _BETWEEN_SHRINKAGE))
        between = np.maximum(values, _NO_SPREAD)
        matrix = whitening @ (directions * (between / (between + 1)))
        return cls(*(torch.from_numpy(each.astype(np.float32)) for each in (mean, matrix)))


def _shrunk(covariance: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """So far towards a sphere of the same size."""
    size = len(covariance)
    found: NDArray[np.float64] = (1 - share) * covariance + share * np.trace(covariance) / size * np.eye(size)
    return found
