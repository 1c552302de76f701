"""How often the store's words stood in for a language model's."""

from dataclasses import dataclass


@dataclass(slots=True)
class Fallbacks:
    """For how many users, and why the last time that the model was asked and failed."""

    count: int = 0
    reason: str = ""
