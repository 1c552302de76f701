"""A row of numbers for each of some tokens, and their sums over texts: what probes and words add to vectors.

In NumPy, not torch: a query has a dozen tokens, for which a kernel's work is less than calling it, and what is added to
a query's vector must not take long beside the encoder.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.bags import Bags

_NONE = -1


@dataclass(frozen=True)
class TokenRows:
    """`rows` [some, d] of the tokens `ids` [some], in ascending order, of a vocabulary of so many."""

    ids: NDArray[np.int64]
    rows: NDArray[np.float32]
    vocabulary: int

    def sums(self, bags: Bags) -> NDArray[np.float32]:
        """[n, d]: for each of n texts the sum of its tokens' rows times their shares; others add none."""
        places = self._places[bags.ids.numpy()]
        shares = bags.shares.numpy() * (places != _NONE)
        found = np.empty((len(bags.starts), self.rows.shape[1]), np.float32)
        for text, part in enumerate(bags.slices()):
            np.matmul(shares[part], self.rows[places[part]], out=found[text])  # no row: the last one, times 0
        return found

    @cached_property
    def _places(self) -> NDArray[np.int32]:
        """[vocabulary]: in which row each token is."""
        places = np.full(self.vocabulary, _NONE, np.int32)
        places[self.ids] = np.arange(len(self.ids))
        return places
