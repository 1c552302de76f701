"""What is done to a domain's vectors at last: its words are added, and it puts them into axes of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from attune.embeddings.axes import Axes
from attune.embeddings.words import Words


@dataclass(frozen=True)
class Head:
    """Vectors of token sequences to other vectors. Words come first, where there are any."""

    axes: Axes
    words: Words | None = None

    def __call__(self, vectors: Tensor, sequences: Sequence[Sequence[int]]) -> Tensor:
        """[n, d] of n sequences -> [n, d], normalised; the vectors are too."""
        return self.axes(vectors if self.words is None else self.words(vectors, sequences))

    def read(self, sequence: Sequence[int], beyond: Sequence[int]) -> Sequence[int]:
        """What it reads of a text: the tokens that the backbone takes, and those `beyond` within its reach."""
        return [*sequence, *beyond[: max(0, self.reach - len(sequence))]]

    @property
    def size(self) -> int:
        """d, the length of the vectors that it is for."""
        return len(self.axes.centre)

    @property
    def reach(self) -> int:
        """How many of a text's first tokens it reads; with 0, as many as the backbone."""
        return 0 if self.words is None else self.words.reach

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return self.axes.nbytes + (0 if self.words is None else self.words.nbytes)
