"""What is left of what was forgotten: until when nothing of it may be learned again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Until when a user, or single entities of a user, were forgotten."""

    user: datetime | None = None
    entities: Mapping[str, datetime] = field(default_factory=dict)

    def cover_event(self, epoch: datetime) -> bool:
        """Whether the user was forgotten after it."""
        return self.user is not None and epoch <= self.user

    def cover_entity(self, epoch: datetime, entity_id: str) -> bool:
        """Whether the entity was forgotten after it."""
        forgotten_at = self.entities.get(entity_id)
        return forgotten_at is not None and epoch <= forgotten_at

    def cover_any(self, epoch: datetime, entity_ids: Iterable[str]) -> bool:
        """Whether any of the entities was forgotten after it."""
        return bool(self.entities) and any(self.cover_entity(epoch, each) for each in entity_ids)
