"""A domain's own words: what a text's tokens say, beside what the backbone makes of them.

A backbone that has read everything tells a domain's terms apart badly, where counting them does well. So a text has two
descriptions: the backbone's vector, and its bag of tokens with weights by how few of the domain's texts have them. Both
together are too long to be a vector; they are cut to the directions in which the domain's texts differ most (latent
semantic analysis: Deerwester et al., 1990; here of both descriptions at once, which is kernel principal component
analysis of the sum of two cosines). Each direction of the backbone's counts as one text more, so that what few texts
do not show is kept. Nothing is trained. The share of the bag was chosen on five judged collections:
docs/adr/0017-words.md.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_SHARE = 0.5
"""Of a bag's cosine, beside 1 for that of the backbone's vectors."""
_SATURATION = 1.2
"""BM25's k1: so many mentions count half as much as any number of them."""
_TINY = 1e-9


@dataclass(frozen=True)
class Words:
    """(v, tokens) -> v mixing + the sum of the tokens' rows, then of length 1.

    `mixing` is [d, d]; `weights` [vocabulary] say how much each token tells; `rows` [some, d] are of the tokens `ids`
    [some], in ascending order: the others add nothing, but count in the bag's length. All in fp32, `ids` in int64.
    """

    mixing: Tensor
    weights: Tensor
    ids: Tensor
    rows: Tensor

    def __call__(self, vectors: Tensor, sequences: Sequence[Sequence[int]]) -> Tensor:
        """[n, d] of n sequences -> [n, d], normalised; the vectors are too. Ids beyond the vocabulary are left out."""
        return functional.normalize(vectors @ self.mixing + self._sums(sequences))

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        return sum(each.nbytes for each in (self.mixing, self.weights, self.ids, self.rows))

    def _sums(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        known, weights = self.ids.numpy(), self.weights.numpy()
        bags = [_bag(sequence, weights) for sequence in sequences]
        ids = np.concatenate([ids for ids, _ in bags])
        places = np.searchsorted(known, ids).clip(max=len(known) - 1)
        shares = np.concatenate([shares for _, shares in bags]) * (known[places] == ids)
        ends = np.cumsum([len(ids) for ids, _ in bags])
        return functional.embedding_bag(
            torch.from_numpy(places),
            self.rows,
            torch.from_numpy(np.concatenate([[0], ends[:-1]])),
            mode="sum",
            per_sample_weights=torch.from_numpy(shares.astype(np.float32)),
        )

    @classmethod
    def fitted(
        cls,
        vectors: NDArray[np.float32],
        sequences: Sequence[Sequence[int]],
        vocabulary: int,
        silent: Collection[int] = (),
    ) -> Self | None:
        """To normalised vectors [n, d] of some of the domain's texts, and to their tokens.

        `silent` tokens tell nothing, such as those of a prompt. None where no token tells the texts apart.
        """
        count, size = vectors.shape
        weights = _weights(sequences, vocabulary)
        weights[list(silent)] = 0
        ids = np.unique(np.concatenate([np.asarray(each, np.int64) for each in sequences]))
        ids = ids[weights[ids] > 0]
        if not len(ids):
            return None
        bags = np.zeros((count, len(ids)), np.float32)
        for row, sequence in enumerate(sequences):
            tokens, shares = _bag(sequence, weights)
            told = weights[tokens] > 0
            bags[row, np.searchsorted(ids, tokens[told])] = math.sqrt(_SHARE) * shares[told]
        described = vectors @ vectors.T + bags @ bags.T
        gram = np.block([[described, vectors], [vectors.T, np.eye(size, dtype=np.float32)]])
        values, texts = np.linalg.eigh(gram.astype(np.float64))
        first = (texts[:, -size:] / np.sqrt(np.maximum(values[-size:], _TINY))).astype(np.float32)
        mixing, rows = vectors.T @ first[:count] + first[count:], math.sqrt(_SHARE) * (bags.T @ first[:count])
        return cls(*(torch.from_numpy(each) for each in (mixing, weights, ids, rows)))


def _weights(sequences: Sequence[Sequence[int]], vocabulary: int) -> NDArray[np.float32]:
    """[vocabulary]: the root of BM25's inverse document frequency, as both texts of a cosine bring theirs.

    Tokens of every text, such as those that begin and end it, tell nothing.
    """
    count = len(sequences)
    frequency = np.zeros(vocabulary, np.int64)
    for sequence in sequences:
        frequency[np.unique(sequence)] += 1
    weights = np.sqrt(np.log1p((count - frequency + 0.5) / (frequency + 0.5)))
    return np.where(frequency == count, 0, weights).astype(np.float32)


def _bag(sequence: Sequence[int], weights: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """A sequence's different tokens of the vocabulary, and their shares, whose squares sum up to 1 or 0."""
    ids, counts = np.unique(np.asarray(sequence, np.int64), return_counts=True)
    known = ids < len(weights)
    ids, counts = ids[known], counts[known]
    shares = weights[ids] * counts * (_SATURATION + 1) / (counts + _SATURATION)
    return ids, (shares / max(float(np.linalg.norm(shares)), _TINY)).astype(np.float32)
