"""The pieces of a store as lines of a backup: JSON, one object a line, that no engine is in.

{"user": [tenant, user], "record": {...}, "digests": hex}     record as codec.to_fields has it
{"tombstone": hex, "entity": id or null, "until": microseconds since 1970}
{"consents": hex, "choices": [[microseconds since 1970, purpose, granted], ...]}    hex is the user's digest
{"summary": [tenant, user], "of": [text, version, events, microseconds since 1970, made_by]}
{"position": [log, partition, next_offset]}
{"object": [tenant, object_id], "linked": [[entity_id, salience], ...]}
"""

import json
from typing import Any

from attune.knowledge_store.codec import (
    decode_digests,
    encode_digests,
    from_fields,
    to_datetime,
    to_fields,
    to_microseconds,
)
from attune.knowledge_store.json_codec import (
    consents_from_fields,
    consents_to_fields,
    summary_from_fields,
    summary_to_fields,
)
from attune.knowledge_store.kept import Kept, KeptConsents, KeptObject, KeptSummary, KeptTombstone, KeptUser
from attune.knowledge_store.model import LinkedEntity, LogPosition, UserKey


def to_line(kept: Kept) -> bytes:
    """With the end of the line. Equal pieces give equal bytes; weights keep their last bit."""
    return dumped(_fields(kept))


def dumped(fields: dict[str, Any]) -> bytes:
    """One line of JSON. ASCII, so that a lone surrogate in an id gets through."""
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def from_line(fields: dict[str, Any]) -> Kept:
    """Raises ValueError, KeyError, TypeError or StoreError for an object that is no piece of a store."""
    if "user" in fields:
        record = from_fields(fields["record"])
        record.digests = decode_digests(bytes.fromhex(fields["digests"]))
        return KeptUser(UserKey(*fields["user"]), record)
    if "tombstone" in fields:
        return KeptTombstone(bytes.fromhex(fields["tombstone"]), fields["entity"], to_datetime(fields["until"]))
    if "consents" in fields:
        return KeptConsents(bytes.fromhex(fields["consents"]), consents_from_fields(fields["choices"]))
    if "summary" in fields:
        return KeptSummary(UserKey(*fields["summary"]), summary_from_fields(fields["of"]))
    if "position" in fields:
        return LogPosition(*fields["position"])
    tenant, object_id = fields["object"]
    return KeptObject(tenant, object_id, tuple(LinkedEntity(*each) for each in fields["linked"]))


def _fields(kept: Kept) -> dict[str, Any]:
    match kept:
        case KeptUser(user, record):
            return {
                "user": [user.tenant, user.user],
                "record": to_fields(record),
                "digests": encode_digests(record).hex(),
            }
        case KeptTombstone(digest, entity_id, until):
            return {"tombstone": digest.hex(), "entity": entity_id, "until": to_microseconds(until)}
        case KeptConsents(digest, consents):
            return {"consents": digest.hex(), "choices": consents_to_fields(consents)}
        case KeptSummary(user, summary):
            return {"summary": [user.tenant, user.user], "of": summary_to_fields(summary)}
        case LogPosition(log, partition, next_offset):
            return {"position": [log, partition, next_offset]}
        case KeptObject(tenant, object_id, linked):
            return {"object": [tenant, object_id], "linked": [[each.entity_id, each.salience] for each in linked]}
