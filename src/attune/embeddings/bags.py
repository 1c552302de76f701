"""Bags of tokens: how much each of a text's tokens tells, by how few texts have it and how often this one does."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_SATURATION = 1.2
"""BM25's k1: so many mentions count half as much as any number of them."""
_TINY = 1e-9


@dataclass(frozen=True)
class Bags:
    """Tokens of n texts, one text after the other: `ids` and `shares` [all], and in `starts` each text's first one."""

    ids: Tensor
    shares: Tensor
    starts: Sequence[int]

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int]], weights: NDArray[np.float32]) -> "Bags":
        """Of token sequences, their different tokens of the vocabulary; of a text, the squares of shares are 1 or 0."""
        ids: list[int] = []
        counts: list[float] = []
        starts = []
        for sequence in sequences:
            starts.append(len(ids))
            counted = Counter(sequence)  # of a few tokens, sooner than NumPy's way
            known = sorted(token for token in counted if token < len(weights))
            ids += known
            counts += [_saturated(counted[token]) for token in known]
        found = np.array(ids, np.int64)
        shares = weights[found] * np.array(counts, np.float32)
        bags = cls(torch.from_numpy(found), torch.from_numpy(shares), starts)
        for part in (shares[each] for each in bags.slices()):
            part /= max(math.sqrt(part @ part), _TINY)  # noqa: PLW2901 - a view
        return bags

    def sums(self, rows: Tensor) -> Tensor:
        """[n, d]: for each text the sum of its tokens' rows times their shares, never by way of a matrix of all tokens.

        `rows` [vocabulary, d] may be learned, and so may the shares.
        """
        starts = torch.tensor(self.starts, dtype=torch.int64)
        return functional.embedding_bag(self.ids, rows, starts, mode="sum", per_sample_weights=self.shares)

    def slices(self) -> list[slice]:
        """Where each text's tokens are."""
        return [slice(*each) for each in pairwise([*self.starts, len(self.ids)])]

    def without(self, token: int) -> "Bags":
        """Where that token tells nothing."""
        return Bags(self.ids, self.shares * (self.ids != token), self.starts)


def starts_of(lengths: Sequence[int]) -> list[int]:
    """Where each of n texts begins, one after the other."""
    return [0, *accumulate(lengths[:-1])] if lengths else []


def _saturated(count: int) -> float:
    """What so many mentions count, beside one."""
    return count * (_SATURATION + 1) / (count + _SATURATION)


def document_frequencies(sequences: Sequence[Sequence[int]], vocabulary: int) -> NDArray[np.int64]:
    """[vocabulary]: how many of the sequences have each token."""
    frequency = np.zeros(vocabulary, np.int64)
    for sequence in sequences:
        frequency[np.unique(np.asarray(sequence, np.int64))] += 1
    return frequency


def inverse_document_frequencies(frequency: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """[vocabulary]: BM25's, of `count` texts. Tokens of every text, such as those that begin and end it, tell nothing.

    Tokens of none count as the rarest.
    """
    weights: NDArray[np.float64] = np.log1p((count - frequency + 0.5) / (frequency + 0.5))
    return np.where(frequency == count, 0.0, weights)
