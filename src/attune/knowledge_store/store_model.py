"""What a store takes and what it answers, beside users' entities (model.py) and records (record.py)."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Self

from attune.knowledge_store.history import Noted
from attune.knowledge_store.model import (
    EntityState,
    LinkedEntity,
    Observation,
    UserKey,
    require_identifier,
    require_utc,
)


def event_digest(event_id: str) -> bytes:
    """6 bytes that stand for the event id: callers choose ids, and what they put in one must not be kept.

    Of a user whose 4,096 newest are known, one new event in seventy thousand million is taken for a copy by chance.
    """
    return blake2b(event_id.encode(), digest_size=16).digest()[:6]


@dataclass(frozen=True, slots=True)
class Projected:
    """An interaction without its text, but for a statement: what it observed and noted, and the two times that a
    tombstone is compared with.
    """

    event_id: str
    user: UserKey
    occurred_at: datetime
    logged_at: datetime
    observations: tuple[Observation, ...] = ()
    reading: Noted | None = None
    statement: Noted | None = None

    @property
    def epoch(self) -> datetime:
        """What a tombstone is compared with: when the event happened, or was logged if that was earlier."""
        return min(self.occurred_at, self.logged_at)

    @property
    def digest(self) -> bytes:
        """As `event_digest`."""
        return event_digest(self.event_id)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a batch: events taken, those that were there already, that a tombstone covers, and that came
    while their user did not allow learning.
    """

    new: int = 0
    duplicates: int = 0
    forgotten: int = 0
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A log's partition is a worker's until somebody else claims it: the claim's `epoch`, and where to read on."""

    epoch: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A user in numbers; the times are of events (`occurred_at`). All but `forgotten_at` start anew on forgetting."""

    events: int = 0
    entities: int = 0
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    forgotten_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What a user wants suggested no more: fingerprints of texts, sorted; history not to draw from."""

    fingerprints: tuple[bytes, ...] = ()
    history_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """What a user wanted gone at `at`, as an event log keeps it: one entity, suggestions, or (neither) everything.

    Raises ValueError for a time that is not UTC.
    """

    user: UserKey
    at: datetime
    entity_id: str = ""
    suppressed: Suppressed | None = None

    def __post_init__(self) -> None:
        require_utc(self.at, "at")


@dataclass(frozen=True, slots=True)
class LoggedObject:
    """What the record at `offset` of a log's partition says that a document is about; None: it is unlinked."""

    offset: int
    tenant: str
    object_id: str
    linked: tuple[LinkedEntity, ...] | None

    def __post_init__(self) -> None:
        require_identifier(self.tenant, "tenant")
        require_identifier(self.object_id, "object_id")


@dataclass(frozen=True, slots=True)
class EntityCursor:
    """A place in a user's entities by weight. It stays where it is while entities come and go."""

    rank: float
    entity_id: str

    @classmethod
    def of(cls, state: EntityState) -> Self:
        return cls(state.rank, state.entity_id)
