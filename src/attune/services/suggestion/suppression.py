"""What a user wants to see no more: by fingerprint, so that no text has to be kept to know it again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import KnownEntity, normalised

_OF_ONE_MEETING = 0.5
"""What a meeting of weight 1 makes of an entity's score, by retrieval.py."""


def fingerprint(text: str) -> bytes:
    """SHA-256 of the normalised text."""
    return hashlib.sha256(normalised(text).encode()).digest()


@dataclass(frozen=True, slots=True)
class Suppression:
    """The suggestions that a user removed."""

    fingerprints: frozenset[bytes] = frozenset()
    history_until: datetime | None = None
    """What the user did until then is not drawn from any more."""

    def allows(self, text: str) -> bool:
        """Whether a suggestion may be shown."""
        return fingerprint(text) not in self.fingerprints

    def usable(self, entities: Iterable[KnownEntity]) -> list[KnownEntity]:
        """The entities that suggestions may be drawn from, with what may be told of them."""
        if self.history_until is None:
            return list(entities)
        return [_told_since(each, self.history_until) for each in entities if _is_usable(each, self.history_until)]


def _is_usable(entity: KnownEntity, until: datetime) -> bool:
    return entity.mode is Mode.UNFAMILIAR or (entity.last_seen is not None and entity.last_seen > until)


def _told_since(entity: KnownEntity, until: datetime) -> KnownEntity:
    """Of an entity that was met before as well, how often and how is not known of the time since: only that it was."""
    if entity.mode is Mode.UNFAMILIAR or (entity.first_seen is not None and entity.first_seen > until):
        return entity
    score = min(entity.score, _OF_ONE_MEETING)
    return KnownEntity(entity.entity_id, entity.label, Mode.FAMILIAR, score, aliases=entity.aliases)
