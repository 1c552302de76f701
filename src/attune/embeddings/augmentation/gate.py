"""Gates: each component of a query's vector grows or shrinks, as the query's tokens ask.

LexSemBridge's formula (arXiv 2508.17858, section 3) with its flaws mended: a residual gate, q * (1 + tanh(.)), that is
nothing at first, so that the worst case is the backbone; tokens weighed by how rare they are; and columns of the tokens
that are tied to the backbone's own, cut to few dimensions, so that a token that was seen once has a useful one. Three
ways to weigh tokens share one gate: `Statistical`, `Learned` and `Contextual`.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.bags import Bags, starts_of

RANK = 64
_EXPANDED = 32
"""So many tokens a query may bring to mind."""
_TINY = 1e-9


class Gate(nn.Module):
    """(q, weights of tokens) -> q * (1 + tanh(sum of weight * column, projected)), then of length 1.

    `table` [vocabulary, rank] are the tokens' columns and does not learn, `projection` [rank, d] does. Weights are cut
    to a sum of squares of 1, so that long queries are not changed more than short ones.
    """

    kind = Augmentation.NONE
    reads_hidden = False

    def __init__(self, table: Tensor, size: int) -> None:
        super().__init__()
        self.register_buffer("table", table)
        self.projection = nn.Parameter(torch.zeros(table.shape[1], size))

    @property
    def columns(self) -> Tensor:
        """[vocabulary, rank]."""
        return self.get_buffer("table")

    @property
    def size(self) -> int:
        """D."""
        return self.projection.shape[1]

    @property
    def vocabulary(self) -> int:
        """How many tokens have a column."""
        return len(self.columns)

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return sum(each.nbytes for each in self.state_dict().values())

    def weigh(self, sequences: Sequence[Sequence[int]], hidden: Sequence[Tensor]) -> Bags:
        """How much each token counts."""
        raise NotImplementedError

    def change(self, vectors: Tensor, bags: Bags) -> Tensor:
        """[n, d] -> [n, d]: the gate's work."""
        moved = torch.tanh(bags.sums(self.columns) @ self.projection)
        return functional.normalize(vectors * (1 + moved))


class Statistical(Gate):
    """A token counts by how rare it is among passages, `weights` [vocabulary], and how often the query has it."""

    kind = Augmentation.STATISTICAL

    def __init__(self, table: Tensor, size: int, weights: Tensor) -> None:
        super().__init__(table, size)
        self.register_buffer("weights", weights)

    def weigh(self, sequences: Sequence[Sequence[int]], hidden: Sequence[Tensor] = ()) -> Bags:  # noqa: ARG002
        return Bags.of(sequences, self.get_buffer("weights").numpy())


class Learned(Gate):
    """A token counts by what its context makes of it: the most at any of its positions, relu(u . h + c).

    `telling` [vocabulary] is 1 where a token may count, and 0 for those of every text, such as the first and the last.
    """

    kind = Augmentation.LEARNED
    reads_hidden = True

    def __init__(self, table: Tensor, size: int, telling: Tensor) -> None:
        super().__init__(table, size)
        self.register_buffer("telling", telling)
        self.direction = nn.Parameter(torch.zeros(size))
        self.bias = nn.Parameter(torch.ones(()))

    def weigh(self, sequences: Sequence[Sequence[int]], hidden: Sequence[Tensor]) -> Bags:
        found, ids, lengths = [], [], []
        for sequence, states in zip(sequences, hidden, strict=True):
            tokens, places = np.unique(np.asarray(sequence, np.int64), return_inverse=True)
            told = functional.relu(states @ self.direction + self.bias)
            most = torch.zeros(len(tokens)).scatter_reduce(0, torch.from_numpy(places), told, "amax")
            found.append(_of_length_one(most * self.get_buffer("telling")[torch.from_numpy(tokens)]))
            ids.append(tokens)
            lengths.append(len(tokens))
        return Bags(torch.from_numpy(np.concatenate(ids)), torch.cat(found), starts_of(lengths))


class Contextual(Gate):
    """Any token counts that the first position brings to mind: log(1 + relu(its logit)), the highest few.

    The logits are those of a masked language model's head that is tied to the tokens' columns; `transform` [d, rank]
    learns what the first position says in their terms. `frequent` [vocabulary] is 1 where a token may be thought of.
    """

    kind = Augmentation.CONTEXTUAL
    reads_hidden = True

    def __init__(self, table: Tensor, size: int, frequent: Tensor) -> None:
        super().__init__(table, size)
        self.register_buffer("frequent", frequent)
        self.transform = nn.Parameter(torch.randn(size, table.shape[1]) / size**0.5)

    def weigh(self, sequences: Sequence[Sequence[int]], hidden: Sequence[Tensor]) -> Bags:  # noqa: ARG002
        first = torch.stack([states[0] for states in hidden])
        logits = (first @ self.transform) @ self.columns.T
        most = min(_EXPANDED, self.vocabulary)
        told, ids = torch.log1p(functional.relu(logits) * self.get_buffer("frequent")).topk(most, dim=1)
        shares = told / told.norm(dim=1, keepdim=True).clamp_min(_TINY)
        return Bags(ids.flatten(), shares.flatten(), starts_of([most] * len(hidden)))


GATES = {each.kind: each for each in (Statistical, Learned, Contextual)}


def tied_table(embeddings: NDArray[np.float32], rank: int = RANK) -> Tensor:
    """[vocabulary, rank] of length 1 each: what most tells the backbone's token embeddings [vocabulary, e] apart."""
    centred = embeddings - embeddings.mean(0)
    _, directions = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    cut = centred @ directions[:, ::-1][:, :rank].astype(np.float32)
    cut /= np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), _TINY)
    return torch.from_numpy(np.ascontiguousarray(cut))


def _of_length_one(weights: Tensor) -> Tensor:
    found: Tensor = weights / weights.norm().clamp_min(_TINY)
    return found
