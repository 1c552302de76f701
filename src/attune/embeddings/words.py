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
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from attune.embeddings.bags import Bags, document_frequencies, inverse_document_frequencies
from attune.embeddings.token_rows import TokenRows

_SHARE = 0.5
"""Of a bag's cosine, beside 1 for that of the backbone's vectors."""
_TINY = 1e-9


@dataclass(frozen=True)
class Words:
    """(v, tokens) -> v mixing + the sum of the tokens' rows, then of length 1.

    `mixing` is [d, d]; `weights` [vocabulary] say how much each token tells; `rows` [some, d] are of the tokens `ids`
    [some], in ascending order: the others add nothing, but count in the bag's length. All in fp32, `ids` in int64.
    `reach` is how many of a text's first tokens they read; with 0, as many as the backbone.
    """

    mixing: Tensor
    weights: Tensor
    ids: Tensor
    rows: Tensor
    reach: int = 0

    def __call__(self, vectors: Tensor, sequences: Sequence[Sequence[int]]) -> Tensor:
        """[n, d] of n sequences -> [n, d], normalised; the vectors are too. Ids beyond the vocabulary are left out."""
        sums = self._table.sums(Bags.of(sequences, self.weights.numpy()))
        return functional.normalize(torch.addmm(torch.from_numpy(sums), vectors, self.mixing))

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        return sum(each.nbytes for each in (self.mixing, self.weights, self.ids, self.rows))

    @cached_property
    def _table(self) -> TokenRows:
        return TokenRows(self.ids.numpy(), self.rows.numpy(), len(self.weights))

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
        # The root, as both texts of a cosine bring theirs.
        rarity = inverse_document_frequencies(document_frequencies(sequences, vocabulary), len(sequences))
        weights = np.sqrt(rarity).astype(np.float32)
        weights[list(silent)] = 0
        ids = np.unique(np.concatenate([np.asarray(each, np.int64) for each in sequences]))
        ids = ids[weights[ids] > 0]
        if not len(ids):
            return None
        bags = np.zeros((count, len(ids)), np.float32)
        each = Bags.of(sequences, weights)
        for row, part in enumerate(each.slices()):
            tokens, shares = each.ids[part].numpy(), each.shares[part].numpy()
            told = weights[tokens] > 0
            bags[row, np.searchsorted(ids, tokens[told])] = math.sqrt(_SHARE) * shares[told]
        described = vectors @ vectors.T + bags @ bags.T
        gram = np.block([[described, vectors], [vectors.T, np.eye(size, dtype=np.float32)]])
        values, texts = np.linalg.eigh(gram.astype(np.float64))
        first = (texts[:, -size:] / np.sqrt(np.maximum(values[-size:], _TINY))).astype(np.float32)
        mixing, rows = vectors.T @ first[:count] + first[count:], math.sqrt(_SHARE) * (bags.T @ first[:count])
        return cls(torch.from_numpy(mixing), torch.from_numpy(weights), torch.from_numpy(ids), torch.from_numpy(rows))
