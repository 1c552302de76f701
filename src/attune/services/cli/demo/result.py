"""What the demo found, in the shape that --json prints."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Ranking:
    """A query's hits for a user, or for nobody."""

    user: str | None
    query: str
    hits: list[dict[str, Any]]
    reason: str
    """Why the user's entities counted as much as they did."""

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"user": self.user, "query": self.query, "hits": self.hits}


@dataclass(slots=True)
class Result:
    """All of it."""

    corpus: dict[str, Any] = field(default_factory=dict)
    indexed: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    rankings: list[Ranking] = field(default_factory=list)
    suggestions: list[dict[str, Any]] = field(default_factory=list)
    stores: list[dict[str, Any]] = field(default_factory=list)
    forgotten: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "corpus": self.corpus,
            "indexed": self.indexed,
            "events": self.events["sent"],
            "events_new": self.events["new"],
            "rankings": [each.as_dict() for each in self.rankings],
            "suggestions": self.suggestions,
            "stores": self.stores,
            "forgotten": self.forgotten,
            "machine": self.machine,
            "seconds": {step: round(value, 3) for step, value in self.seconds.items()},
        }
