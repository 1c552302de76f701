"""The ways to change a query's vector by its tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from torch import Tensor

from attune.embeddings.bags import Bags


class Augmentation(StrEnum):
    """What is done to a query's vector. All but the last two are LexSemBridge's (arXiv 2508.17858, section 3)."""

    NONE = "none"
    STATISTICAL = "statistical"  # a gate by the query's own tokens, as rare as they are
    LEARNED = "learned"  # a gate by the query's own tokens, as telling as their contexts say
    CONTEXTUAL = "contextual"  # a gate by any tokens that the query brings to mind
    PROBES = "probes"  # towards where passages with the query's tokens are
    TOWER = "tower"  # layers of its own for queries, and probes


class Augmenter(Protocol):
    """Changes the vectors of queries, in two steps, so that it can be told which token did what."""

    @property
    def kind(self) -> Augmentation:
        """Which of the ways it is."""
        ...

    @property
    def reads_hidden(self) -> bool:
        """Whether it must see the tokens' vectors [tokens, d] in the last layer, beside their ids."""
        ...

    @property
    def size(self) -> int:
        """d, the length of the vectors that it is for."""
        ...

    @property
    def vocabulary(self) -> int:
        """How many tokens it may know."""
        ...

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        ...

    def weigh(self, sequences: Sequence[Sequence[int]], hidden: Sequence[Tensor]) -> Bags:
        """How much each token counts, for each of the token sequences; `hidden` is empty unless it is read."""
        ...

    def change(self, vectors: Tensor, bags: Bags) -> Tensor:
        """[n, d] normalised vectors -> [n, d], normalised; where no token counts, as they are."""
        ...


@dataclass(frozen=True)
class Influence:
    """What a token did to a query's vector: `weight` is how much it counts, `moved` 1 - cosine with and without it."""

    token: str
    weight: float
    moved: float
