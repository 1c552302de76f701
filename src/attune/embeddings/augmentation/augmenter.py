"""What changes a query's vector by its tokens."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.bags import Bags


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
