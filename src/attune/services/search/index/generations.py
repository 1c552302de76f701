"""Generations of an index: one that serves, and at times one that is being built to take its place.

An index is built anew while it serves: what is written meanwhile goes to both. Then one change, which either happens or
does not, makes the new one serve, and the old one is dropped. `generational` is the index over them; a `shelf` is where
an engine keeps them.
"""

from dataclasses import dataclass
from enum import StrEnum

from attune.services.search.index.errors import SearchIndexError


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
