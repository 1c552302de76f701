"""What suggestion asks of the queries of many users. Nothing of fewer users than the count's k is ever told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

K = 5
"""Of fewer users than that, nothing is told, unless the count was made with another number."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A query that many users asked."""

    text: str
    """As most users wrote it, with single spaces; in small letters where too few wrote it alike."""
    users: int
    """So many distinct users asked it; of `next_after`: asked it next."""
    entity_ids: tuple[str, ...] = ()
    """What it names, as linked when it was counted."""
    vector: NDArray[np.float32] | None = None
    """Unit vector [d], where the count was made with vectors."""


class QueryStatistics(Protocol):
    """The queries of one tenant. Read-only; any number of threads may ask. `limit` is 1 or more."""

    @property
    def total(self) -> int:
        """How many queries there are."""
        ...

    @property
    def vectors_by(self) -> str:
        """Id of the model that computed the vectors: those of others are not comparable. Empty: not known, or none."""
        ...

    def next_after(self, query: str, limit: int) -> Sequence[Counted]:
        """What others asked next in the same session, most users first."""
        ...

    def naming(self, entity_ids: Sequence[str], limit: int) -> Sequence[Counted]:
        """Queries that name one of the entities, most users first."""
        ...

    def beginning(self, prefix: str, limit: int) -> Sequence[Counted]:
        """Queries that begin with a prefix, however either is written, most users first; "" gives the most asked."""
        ...

    def containing(self, words: Sequence[str], limit: int) -> Sequence[Counted]:
        """Queries that have one of the words, most users first."""
        ...

    def users_of(self, query: str) -> int:
        """How many users asked a query, however it is written; 0 where they are too few to be told."""
        ...


class _NoQueries:
    total = 0
    vectors_by = ""

    def next_after(self, query: str, limit: int) -> Sequence[Counted]:  # noqa: ARG002 - as the protocol has it
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
"""Where nothing was counted."""
