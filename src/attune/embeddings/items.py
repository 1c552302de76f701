"""What goes into an embedder and what comes out."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.augmentation.kinds import Augmentation, Influence
from attune.embeddings.errors import ComputeError, TextError, UnknownAugmentationError, UnknownDomainError


class Role(StrEnum):
    """What a text is for. Models with prompts put another one before each."""

    QUERY = "query"
    PASSAGE = "passage"


@dataclass(frozen=True)
class EmbedItem:
    """A text to embed, by the expert of `domain` (empty: the general one)."""

    text: str
    domain: str = ""
    role: Role = Role.PASSAGE
    truncate: bool = True
    """Whether a text longer than the model's limit is cut, or is an error."""
    augmentation: str = ""
    """Of a query: an `Augmentation`; empty means the domain's default. A passage is never augmented."""
    explain: bool = False
    """Whether to tell which tokens moved the vector of a query."""


@dataclass(frozen=True)
class Augmented:
    """How a query's vector was augmented; if that is `explained`, how far it `moved` (1 - cosine), by which tokens."""

    kind: Augmentation = Augmentation.NONE
    explained: bool = False
    moved: float = 0.0
    influences: tuple[Influence, ...] = ()


PLAIN = Augmented()


@dataclass(frozen=True, eq=False)
class Embedded:
    """A text's vector, float32 [d], the domain whose expert made it, and how much of the text was read."""

    vector: NDArray[np.float32]
    domain: str
    token_count: int
    truncated: bool
    augmented: Augmented = PLAIN


ItemError = TextError | UnknownDomainError | UnknownAugmentationError | ComputeError
EmbedResult = Embedded | ItemError


@dataclass(frozen=True)
class Timings:
    """Where the time went, in milliseconds."""

    tokenize_ms: float = 0.0
    compute_ms: float = 0.0


@dataclass(frozen=True)
class EmbeddedBatch:
    """One result for each item, in the items' order."""

    results: tuple[EmbedResult, ...]
    timings: Timings = field(default_factory=Timings)
