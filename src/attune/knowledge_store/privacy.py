"""The export of a user: format 4, a sequence of JSON-ready records, whichever the engine.

    {"record": "profile", "format": 4, "tenant", "user", "events", "entities", "first_seen", "last_seen",
     "forgotten_at"}
    {"record": "entity", "entity_id", "counts": {"click/document": 3, ...}, "first_seen", "last_seen", "weight",
     "recent"}
    {"record": "read_document", "object_id", "at", "rejected"}
    {"record": "statement", "text", "at"}
    {"record": "forgotten_entity", "entity_id", "forgotten_at"}
    {"record": "suppressed_suggestion", "fingerprint"}
    {"record": "suppressed_history", "until"}
    {"record": "consent", "purpose", "granted", "at"}
    {"record": "summary", "text", "version", "events", "made_at", "made_by"}

One profile, then the entities by weight, the documents read and the statements, the newest first, then the forgotten
entities by id, what is suggested no more, the choices by time, and the summary. Times are ISO 8601 in UTC, or null.
Both weights are as of last_seen. Of events only their number is kept, and digests of their ids to tell a repeated one,
from which nothing can be read.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from attune.knowledge_store.consent import Consents
from attune.knowledge_store.history import newest
from attune.knowledge_store.model import EntityState, EventKind, Source, Summary, UserKey
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.tombstones import Tombstones

FORMAT = 4


def export_records(
    user: UserKey, record: UserRecord, tombstones: Tombstones, consents: Consents, summary: Summary | None
) -> Iterator[dict[str, Any]]:
    """The records, which are of the moment at which the arguments were read."""
    yield _profile_record(user, record, tombstones)
    for state in record.ranked():
        yield _entity_record(state)
    for read in newest(record.readings):
        yield {"record": "read_document", "object_id": read.text, "at": _iso(read.at), "rejected": read.is_rejected}
    for said in newest(record.statements):
        yield {"record": "statement", "text": said.text, "at": _iso(said.at)}
    for entity_id, forgotten_at in sorted(tombstones.entities.items()):
        yield {"record": "forgotten_entity", "entity_id": entity_id, "forgotten_at": _iso(forgotten_at)}
    for fingerprint in record.suppressed.fingerprints:
        yield {"record": "suppressed_suggestion", "fingerprint": fingerprint.hex()}
    if record.suppressed.history_until is not None:
        yield {"record": "suppressed_history", "until": _iso(record.suppressed.history_until)}
    for choice in consents.choices:
        yield {"record": "consent", "purpose": str(choice.purpose), "granted": choice.granted, "at": _iso(choice.at)}
    if summary is not None:
        yield {
            "record": "summary",
            "text": summary.text,
            "version": summary.version,
            "events": summary.events,
            "made_at": _iso(summary.made_at),
            "made_by": summary.made_by,
        }


def _profile_record(user: UserKey, record: UserRecord, tombstones: Tombstones) -> dict[str, Any]:
    profile = record.profile(tombstones.user)
    return {
        "record": "profile",
        "format": FORMAT,
        "tenant": user.tenant,
        "user": user.user,
        "events": profile.events,
        "entities": profile.entities,
        "first_seen": _iso(profile.first_seen),
        "last_seen": _iso(profile.last_seen),
        "forgotten_at": _iso(profile.forgotten_at),
    }


def _entity_record(state: EntityState) -> dict[str, Any]:
    return {
        "record": "entity",
        "entity_id": state.entity_id,
        "counts": encode_counts(state.counts),
        "first_seen": _iso(state.first_seen),
        "last_seen": _iso(state.last_seen),
        "weight": state.weight,
        "recent": state.recent,
    }


def encode_counts(counts: Mapping[tuple[EventKind, Source], int]) -> dict[str, int]:
    """The counts of an entity under "kind/source" keys, sorted."""
    return {f"{kind}/{source}": count for (kind, source), count in sorted(counts.items())}


def decode_counts(counts: dict[str, int]) -> dict[tuple[EventKind, Source], int]:
    """What encode_counts encoded."""
    pairs = ((key.split("/"), count) for key, count in counts.items())
    return {(EventKind(kind), Source(source)): count for (kind, source), count in pairs}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
