"""What is known of the queries that many users asked, of one tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Counted:
    """A query that enough users asked."""

    text: str
    """As most users wrote it, whitespace collapsed."""
    users: int
    """Distinct users who asked it (next), at least k."""
    entity_ids: tuple[str, ...] = ()
    """What it names, linked when it was counted."""
    vector: NDArray[np.float32] | None = None
    """Its unit vector [d], where the file has vectors."""


class QueryStatistics(Protocol):
    """Of one tenant, read-only; any thread may ask."""

    def next_after(self, query: str, limit: int) -> Sequence[Counted]:
        """What others asked next within a session, most users first."""
        ...

    def naming(self, entity_ids: Sequence[str], limit: int) -> Sequence[Counted]:
        """Queries that name one of the entities, most users first."""
        ...

    def beginning(self, prefix: str, limit: int) -> Sequence[Counted]:
        """Queries with a normalised prefix, most users first; "" gives the most asked."""
        ...

    def containing(self, words: Sequence[str], limit: int) -> Sequence[Counted]:
        """Queries that share words, most users first."""
        ...

    def users_of(self, query: str) -> int:
        """How many users asked it; 0 where fewer than k did."""
        ...


class _NoQueries:
    """Nothing was counted."""

    def next_after(self, query: str, limit: int) -> Sequence[Counted]:  # noqa: ARG002 - as the port has it
        return ()

    def naming(self, entity_ids: Sequence[str], limit: int) -> Sequence[Counted]:  # noqa: ARG002
        return ()

    def beginning(self, prefix: str, limit: int) -> Sequence[Counted]:  # noqa: ARG002
        return ()

    def containing(self, words: Sequence[str], limit: int) -> Sequence[Counted]:  # noqa: ARG002
        return ()

    def users_of(self, query: str) -> int:  # noqa: ARG002
        return 0


NO_QUERIES: QueryStatistics = _NoQueries()
