"""Generations of an index: one that serves, and at times one that is being built to take its place.

An index is built anew while it serves: what is written meanwhile goes to both. Then one change, which either happens or
does not, makes the new one serve, and the old one is dropped. `generational` is the index over them; a `Shelf` is where
an engine keeps them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from attune.services.search.index.errors import SearchIndexError

if TYPE_CHECKING:
    from attune.services.search.index.qdrant import QdrantIndex


class GenerationError(SearchIndexError):
    """A generation cannot be made, put in place or dropped now."""


class LogBehindError(GenerationError):
    """What is being built lacks records of the log that what serves has: they are on their way."""


class GenerationState(StrEnum):
    """What a generation is for."""

    SERVING = "serving"
    BUILDING = "building"
    RETIRED = "retired"
    """Nothing is read from it, or written to it."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation, by its name, and who can read it."""

    name: str
    state: GenerationState
    model_id: str
    dimension: int
    documents: int | None = None
    """Of all tenants; None where this service cannot open it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Which generations there are to read and write."""

    serving: str
    building: str = ""
    """Empty: none is being built."""


class Shelf(Protocol):
    """Where generations are kept. Changes are atomic and durable: killed at any time, either happens or does not."""

    def standing(self) -> Standing:
        """As of now, whoever else changes it."""

    def open(self, name: str) -> "QdrantIndex":
        """Raises IndexMismatchError where it was written for another identity."""

    def all(self) -> list[Generation]:
        """All there are, without counts."""

    def create(self) -> None:
        """Make an empty generation and let it be the one that is being built; there is none."""

    def activate(self, name: str) -> None:
        """Let the generation that is being built serve, and none be built."""

    def abandon(self) -> None:
        """Let the generation that is being built be so no more."""

    def delete(self, name: str) -> None:
        """Free what a generation takes that neither serves nor is being built. It is not open."""

    def close(self) -> None: ...
