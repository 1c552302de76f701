"""All that a store keeps, piece by piece, whichever the engine: what a backup holds and an audit reads.

Of a user who was forgotten there is only a digest, in tombstones and consents: so these are moved by their digest.
Companions are not among it: they are statistics, and counted again.
"""

from dataclasses import dataclass
from datetime import datetime

from attune.knowledge_store.consent import Consents
from attune.knowledge_store.model import LinkedEntity, LogPosition, Summary, UserKey
from attune.knowledge_store.record import UserRecord


@dataclass(frozen=True, slots=True)
class KeptUser:
    """A user's whole record, with digests of events."""

    user: UserKey
    record: UserRecord


@dataclass(frozen=True, slots=True)
class KeptTombstone:
    """The entity, or the whole user when it is None, is forgotten until `forgotten_at`."""

    user_digest: bytes
    entity_id: str | None
    forgotten_at: datetime


@dataclass(frozen=True, slots=True)
class KeptObject:
    """Which entities a document is about, in order."""

    tenant: str
    object_id: str
    linked: tuple[LinkedEntity, ...]


@dataclass(frozen=True, slots=True)
class KeptConsents:
    """What a user allows. Forgetting leaves it, under the digest."""

    user_digest: bytes
    consents: Consents


@dataclass(frozen=True, slots=True)
class KeptSummary:
    """A user's summary."""

    user: UserKey
    summary: Summary


Kept = KeptUser | KeptTombstone | KeptConsents | KeptSummary | LogPosition | KeptObject
