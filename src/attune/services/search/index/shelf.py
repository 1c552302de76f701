"""Where an engine keeps the generations of an index."""

from dataclasses import dataclass
from typing import Protocol

from attune.services.search.index.generations import Generation
from attune.services.search.index.qdrant import QdrantIndex


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

    def open(self, name: str) -> QdrantIndex:
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
