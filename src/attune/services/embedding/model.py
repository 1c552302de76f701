"""What callers may know of the model."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """The model behind the vectors."""

    model_id: str
    """Name and revision: an index is bound to it."""
    dimension: int
    max_tokens: int
    precision: str
    precision_reason: str
    device: str
