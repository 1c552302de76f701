"""Bags of tokens: how much each of a text's tokens tells, by how few texts have it and how often this one does."""

from collections.abc import Sequence
from dataclasses import dataclass

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
    """Tokens of n texts, one text after the other: `ids` and `shares` [all], `starts` [n] of each text's first one."""

    ids: Tensor
    shares: Tensor
    starts: Tensor

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int]], weights: NDArray[np.float32]) -> "Bags":
        """Of token sequences: see `bag`."""
        each = [bag(sequence, weights) for sequence in sequences]
        ids = np.concatenate([np.zeros(0, np.int64), *(ids for ids, _ in each)])
        shares = np.concatenate([np.zeros(0, np.float32), *(shares for _, shares in each)])
        return cls(torch.from_numpy(ids), torch.from_numpy(shares), starts_of([len(ids) for ids, _ in each]))

    def sums(self, rows: Tensor, known: Tensor | None = None) -> Tensor:
        """[n, d]: for each text the sum of its tokens' rows times their shares, never by way of a matrix of all tokens.

        `rows` [some, d] are of the tokens `known` [some], in ascending order, or of all of the vocabulary; tokens
        that have none add nothing.
        """
        places, shares = self.ids, self.shares
        if known is not None:
            places = torch.searchsorted(known, self.ids).clamp(max=len(known) - 1)
            shares = shares * (known[places] == self.ids)
        return functional.embedding_bag(places, rows, self.starts, mode="sum", per_sample_weights=shares)

    def present(self) -> "Bags":
        """The same tokens, each that tells something once."""
        return Bags(self.ids, (self.shares > 0).to(self.shares), self.starts)

    def without(self, token: int) -> "Bags":
        """Where that token tells nothing."""
        return Bags(self.ids, self.shares * (self.ids != token), self.starts)


def starts_of(lengths: Sequence[int]) -> Tensor:
    """[n]: where each of n texts begins, one after the other."""
    return torch.from_numpy(np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)[:-1]]))


def bag(sequence: Sequence[int], weights: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """A sequence's different tokens of the vocabulary, and their shares, whose squares sum up to 1 or 0."""
    ids, counts = np.unique(np.asarray(sequence, np.int64), return_counts=True)
    known = ids < len(weights)
    ids, counts = ids[known], counts[known]
    shares = weights[ids] * counts * (_SATURATION + 1) / (counts + _SATURATION)
    return ids, (shares / max(float(np.linalg.norm(shares)), _TINY)).astype(np.float32)


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
