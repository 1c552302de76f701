"""What the engine and a worker process tell each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attune.embeddings.domains import DomainRegistry
from attune.embeddings.errors import DeadlineExpiredError, EmbeddingsError
from attune.embeddings.items import PLAIN, Augmented, Embedded, EmbedItem, ItemError


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker loads, and where it computes."""

    model_path: str | None = None
    precision: str = "auto"
    threads: int | None = None
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """The model that a worker has loaded, and what it measured while it warmed up."""

    name: str
    revision: str
    dimension: int
    max_tokens: int
    precision_reason: str
    device: str
    domains: DomainRegistry
    tokens_per_second: float
    batch_tokens: int


@dataclass(frozen=True, slots=True)
class Reload:
    """Asks a worker to load the experts that the model directory names now."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The domains after a `Reload`, or why they are those of before."""

    domains: DomainRegistry | None
    error: EmbeddingsError | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A text for a worker. `number` comes back with its end; `deadline` is in seconds of the machine's own clock."""

    number: int
    item: EmbedItem
    deadline: float | None


@dataclass(frozen=True, slots=True)
class Computed:
    """A text that has a vector, which travels with the others of its batch."""

    domain: str
    token_count: int
    truncated: bool
    augmented: Augmented = PLAIN

    def embedded(self, vector: NDArray[np.float32]) -> Embedded:
        """With its vector [d]."""
        return Embedded(vector, self.domain, self.token_count, self.truncated, self.augmented)


End = Computed | ItemError | DeadlineExpiredError


@dataclass(frozen=True, slots=True)
class Outcome:
    """A batch that was computed: how each text ended, and the vectors [computed, d] of those that have one, in order.

    `started_at` is when the compute began, in seconds of the machine's own clock.
    """

    numbers: Sequence[int]
    ends: Sequence[End]
    vectors: NDArray[np.float32]
    started_at: float
    tokenize_ms: float
    compute_ms: float
