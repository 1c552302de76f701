"""The parts of the system."""

from enum import StrEnum


class RoleName(StrEnum):
    """The parts of the system that can run alone, in the order in which they need each other."""

    EMBEDDING = "embedding"
    KNOWLEDGE = "knowledge"
    INGEST = "ingest"
    SEARCH = "search"
    SUGGESTION = "suggestion"
