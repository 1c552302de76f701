"""What the engine and the cross-encoder's process tell each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from attune.embeddings.errors import ComputeError, DeadlineExpiredError


@dataclass(frozen=True, slots=True)
class ScorerSettings:
    """What is loaded, and where it computes."""

    model_path: str
    threads: int | None = None
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class ScorerInfo:
    """The cross-encoder that was loaded, and how fast it was with its first pairs."""

    model_id: str
    """Name and revision."""
    device: str
    pairs_per_second: float


@dataclass(frozen=True, slots=True)
class Question:
    """A query and the texts to score for it. `number` comes back with the answer; `deadline` is in seconds of the
    machine's own clock.
    """

    number: int
    query: str
    texts: Sequence[str]
    deadline: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The scores of a question's texts, in order, or why there are none. `started_at` is when the compute began."""

    number: int
    scores: Sequence[float]
    started_at: float
    compute_ms: float
    error: ComputeError | DeadlineExpiredError | None = None
