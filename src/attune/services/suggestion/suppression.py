"""What a user wants to see no more: by fingerprint, so that no text has to be kept to know it again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from attune.knowledge_store.retrieval import Mode
from attune.services.suggestion.known import KnownEntity, normalised


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
        """The entities that suggestions may be drawn from."""
        return [each for each in entities if each.mode is Mode.UNFAMILIAR or self._is_recent(each)]

    def _is_recent(self, entity: KnownEntity) -> bool:
        until = self.history_until
        return until is None or (entity.last_seen is not None and entity.last_seen > until)
