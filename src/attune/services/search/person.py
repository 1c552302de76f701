"""What the ranking knows of a user: the entities of the candidates that this user has met, or nearly."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """An entity of a document, as the user knows it."""

    entity_id: str
    label: str
    strength: float
    """Between 0 and 1: how much the user cares."""
    reads: int = 0
    """Times the user met it in documents."""
    searches: int = 0
    """Times the user searched for it."""
    last_seen: datetime | None = None
    via_label: str = ""
    """For an entity that the user has not met: the known one next to it."""
    via_users: int = 0
    """How many users care about both, where nothing but that says that they are close."""

    @property
    def count(self) -> int:
        """Times the user met it at all."""
        return self.reads + self.searches


@dataclass(frozen=True, slots=True)
class Remembered:
    """A document that the user has read or, without one, something that the user said."""

    at: datetime
    document_id: str = ""
    statement: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """The user's acquaintance with the candidates' entities, what the user has read and said, and how plainly the query
    says what it wants.
    """

    acquaintances: Mapping[str, Acquaintance] = field(default_factory=dict)
    query_entity_ids: frozenset[str] = frozenset()
    """The entities that the query itself names."""
    query_coverage: float = 0.0
    """How much of the query they cover, between 0 and 1."""
    is_withheld: bool = False
    """The user does not allow search to rank by any of it."""
    history: tuple[Remembered, ...] = ()
    """The documents, then the statements, the newest first."""

    def without(self, entity_ids: Collection[str]) -> "Person":
        """The same, as if not acquainted with these entities."""
        if not entity_ids:
            return self
        kept = {each: known for each, known in self.acquaintances.items() if each not in entity_ids}
        return replace(self, acquaintances=kept)


NOBODY = Person()
