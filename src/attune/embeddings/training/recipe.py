"""What an expert is trained from, and how."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from attune.embeddings.training.pairs import TextPair
from attune.embeddings.training.passages import Passage
from attune.embeddings.training.trainable import Kind, Shape


@dataclass(frozen=True)
class Material:
    """A domain's texts: pairs to train on and to be judged by, documents, or both."""

    domain: str
    pairs: Sequence[TextPair] = ()
    dev_pairs: Sequence[TextPair] = ()
    passages: Sequence[Passage] = ()


@dataclass(frozen=True)
class Recipe:
    """How an expert is trained. What was measured of these numbers is in docs/adr/0015-experts-and-training.md.

    `steps` counts optimizer steps, `batch` the pairs, or the queries, of each. `evaluations` are spread evenly over the
    steps; training ends when so many in a row (`patience`) were not the best. `hard_negatives` are mined for each pair.
    """

    shape: Shape = field(default_factory=lambda: Shape(Kind.FFN))
    steps: int = 120
    batch: int = 32
    learning_rate: float = 5e-5
    max_tokens: int = 128
    evaluations: int = 4
    patience: int = 2
    hard_negatives: int = 0
    passages_each: int = 2
    seed: int = 0

    @property
    def learns(self) -> bool:
        """Whether anything is trained: axes are not, they are computed."""
        return self.shape.kind is not Kind.AXES
