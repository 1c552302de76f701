"""Probes: for each token the direction in which the passages that have it lie apart from the others.

A passage's vector tells which tokens it has, if one looks in the right direction: a linear probe (Alain and Bengio,
arXiv 1610.01644) for each token, all of them computed at once, by ridge regression, from vectors and tokens of
passages. A query's vector is moved along the probes of its tokens, so that it is nearer to passages that have them. No
passage's vector changes: an index stays valid. Fitted to the passages of that very index, as BM25's statistics are, it
knows what each of them has; fitted to others, it knows no more than what a token means in general. Nothing is trained.
What it is worth, and how its numbers were chosen: docs/adr/0018-token-aware-query-vectors.md.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.bags import Bags, document_frequencies, inverse_document_frequencies
from attune.embeddings.token_rows import TokenRows

STRENGTH = 0.3
_RIDGE = 1.0
"""Of the mean of the passages' variances in all directions."""
_ENOUGH = 3
"""Tokens, as telling as the passages' are: a query that tells less than these moves less."""
_ROWS_AT_ONCE = 4096
_TINY = 1e-9


@dataclass(frozen=True)
class Probes:
    """(q, tokens) -> q + strength * share * the direction of the sum of the tokens' probes, then of length 1.

    `weights` [vocabulary] say how much each token tells; `rows` [some, d], each of length 1, are the probes of the
    tokens `ids` [some], in ascending order: other tokens do nothing. All in fp32, `ids` in int64. The share is 1 for a
    query whose tokens tell `enough`, by the root of their squared weights' sum, and less for one that tells less, so
    that stop words hardly move it.
    """

    weights: Tensor
    ids: Tensor
    rows: Tensor
    strength: float = STRENGTH
    enough: float = 0.0

    kind = Augmentation.PROBES
    reads_hidden = False

    @property
    def size(self) -> int:
        """D."""
        return self.rows.shape[1]

    @property
    def vocabulary(self) -> int:
        """How many tokens have a weight."""
        return len(self.weights)

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        return sum(each.nbytes for each in (self.weights, self.ids, self.rows))

    def weigh(self, sequences: Sequence[Sequence[int]], hidden: Sequence[Tensor] = ()) -> Bags:  # noqa: ARG002
        """By how rare the tokens are, and how often the query has them."""
        return Bags.of(sequences, self.weights.numpy())

    def change(self, vectors: Tensor, bags: Bags) -> Tensor:
        """[n, d] -> [n, d]: towards passages that have the tokens."""
        sums = self._table.sums(bags)
        shares = np.minimum(self._told(bags) / max(self.enough, _TINY), 1)
        steps = self.strength * shares / np.maximum(np.sqrt(np.vecdot(sums, sums)), _TINY)
        return functional.normalize(vectors + torch.from_numpy(steps[:, None] * sums))

    def _told(self, bags: Bags) -> NDArray[np.float32]:
        """[n]: the root of the squared weights' sum, of those tokens of each text that count and have a probe."""
        weights = self._probed[bags.ids.numpy()] * (bags.shares.numpy() > 0)
        return np.sqrt(np.array([each @ each for each in (weights[part] for part in bags.slices())], np.float32))

    @cached_property
    def _probed(self) -> NDArray[np.float32]:
        """[vocabulary]: the weights of tokens that have a probe; 0 for the others."""
        weights, ids = self.weights.numpy(), self.ids.numpy()
        found = np.zeros_like(weights)
        found[ids] = weights[ids]
        return found

    @cached_property
    def _table(self) -> TokenRows:
        return TokenRows(self.ids.numpy(), self.rows.numpy(), self.vocabulary)

    @classmethod
    def fitted(
        cls,
        collections: Sequence[tuple[NDArray[np.float32], Sequence[Sequence[int]]]],
        vocabulary: int,
        silent: Collection[int] = (),
        strength: float = STRENGTH,
    ) -> Self | None:
        """To the normalised vectors [n, d] of the passages of one collection or several, and to their tokens.

        Passages are told apart within their collection. `silent` tokens tell nothing, such as those of a prompt. None
        where no token tells passages apart.
        """
        sequences = [sequence for _, each in collections for sequence in each]
        frequency = document_frequencies(sequences, vocabulary)
        weights = inverse_document_frequencies(frequency, len(sequences)).astype(np.float32)
        weights[list(silent)] = 0
        ids = np.flatnonzero((frequency > 0) & (weights > 0))
        if not len(ids):
            return None
        centred = np.concatenate([vectors - vectors.mean(0) for vectors, _ in collections])
        variance = centred.T.astype(np.float64) @ centred
        ridge = _RIDGE * float(np.trace(variance)) / len(variance) + _TINY
        together = _with_tokens(centred, sequences, weights, ids)
        rows = np.linalg.solve(variance + ridge * np.eye(len(variance)), together.T.astype(np.float64)).T
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY)
        occurring = float(np.average(np.square(weights[ids]), weights=frequency[ids]))
        return cls(
            torch.from_numpy(weights),
            torch.from_numpy(ids),
            torch.from_numpy(rows.astype(np.float32)),
            strength,
            (_ENOUGH * occurring) ** 0.5,
        )


def _with_tokens(
    vectors: NDArray[np.float32],
    sequences: Sequence[Sequence[int]],
    weights: NDArray[np.float32],
    ids: NDArray[np.int64],
) -> NDArray[np.float32]:
    """[tokens, d]: for each token the sum of the vectors of the texts that have it, times its share in each."""
    sums = torch.zeros(len(ids), vectors.shape[1])
    for start in range(0, len(sequences), _ROWS_AT_ONCE):
        bags = Bags.of(sequences[start : start + _ROWS_AT_ONCE], weights)
        rows = np.concatenate([np.full(part.stop - part.start, row) for row, part in enumerate(bags.slices())])
        tokens, shares = bags.ids.numpy(), bags.shares.numpy()
        told = weights[tokens] > 0
        order = np.argsort(tokens[told], kind="stable")
        tokens, rows, shares = tokens[told][order], rows[told][order], shares[told][order]
        found, first = np.unique(tokens, return_index=True)
        summed = functional.embedding_bag(
            torch.from_numpy(rows),
            torch.from_numpy(vectors[start : start + _ROWS_AT_ONCE]),
            torch.from_numpy(first),
            mode="sum",
            per_sample_weights=torch.from_numpy(shares),
        )
        sums[torch.from_numpy(np.searchsorted(ids, found))] += summed
    result: NDArray[np.float32] = sums.numpy()
    return result
