"""What users wanted gone, in the event log: written before the store is changed, and read before any event is.

A store can be lost and built again from the log. An event from before its user was forgotten may lie there in clear,
because a producer repeated it; without the removals, it would bring the user back.

    attune.forgets.v1    tombstones of users. Kept for ever; of each key, the newest is all that is needed
    attune.removals.v1   forgotten entities and suppressed suggestions. Erased with the user, as they tell of them

The key is that of the user's events. Nothing here depends on the order of records, neither within a topic nor between
the two and the events: a tombstone says by its time what it covers.
"""

from datetime import UTC, datetime

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from attune.knowledge.v1.removal_pb2 import Removal as RemovalMessage
from attune.knowledge.v1.removal_pb2 import SuggestionRemoval
from attune.knowledge_store.model import LogPosition, UserKey
from attune.knowledge_store.store import Removal, Store, Suppressed
from attune.services.runtime.config import ConfigError
from attune.services.runtime.eventlog.port import Entry, EventLog, LogReader, Record
from attune.services.runtime.events import TOPIC, log_key

FORGETS_TOPIC = "attune.forgets.v1"
REMOVALS_TOPIC = "attune.removals.v1"
_MOST_RECORDS = 500
_MOST_BYTES = 4 << 20


def append_removal(event_log: EventLog, removal: Removal) -> None:
    """Make a removal durable in the log."""
    is_part = bool(removal.entity_id) or removal.suppressed is not None
    event_log.append(REMOVALS_TOPIC if is_part else FORGETS_TOPIC, [_to_entry(removal)], removal.at)


def restore_removals(event_log: EventLog, store: Store) -> None:
    """Let the store take the removals that it has not read yet. A role does so before it serves or applies anything.

    Raises:
        ConfigError: the store is ahead of the log (they do not belong together), or a record is no removal.
    """
    _require_not_ahead(event_log, store)
    for topic in (FORGETS_TOPIC, REMOVALS_TOPIC):
        for partition in range(event_log.partition_count(topic)):
            _restore_partition(event_log, store, topic, partition)


def _require_not_ahead(event_log: LogReader, store: Store) -> None:
    for topic in (TOPIC, FORGETS_TOPIC, REMOVALS_TOPIC):
        for partition in range(event_log.partition_count(topic)):
            applied, end = store.position(topic, partition), event_log.end_offset(topic, partition)
            if applied > end:
                raise ConfigError(
                    f"the knowledge store has applied {topic}/{partition} up to {applied}, but the log ends at {end}: "
                    "put the log back that this store was computed from"
                )


def _restore_partition(event_log: LogReader, store: Store, topic: str, partition: int) -> None:
    end = event_log.end_offset(topic, partition)
    while (offset := store.position(topic, partition)) < end:
        records = event_log.poll(topic, partition, offset, _MOST_RECORDS, _MOST_BYTES, 0)
        next_offset = records[-1].offset + 1 if records else end  # no records: all from here on was redacted
        store.restore([_parse(each) for each in records], LogPosition(topic, partition, next_offset))


def _to_entry(removal: Removal) -> Entry:
    message = RemovalMessage(
        tenant_id=removal.user.tenant,
        user_id=removal.user.user,
        removed_at=_timestamp(removal.at),
        suggestions=_suggestions(removal.suppressed),
    )
    if removal.entity_id:
        message.entity_id = removal.entity_id
    key = log_key(removal.user)
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", key + f"/{removal.at.isoformat()}".encode()),
        ("ce_type", b"attune.knowledge.v1.Removal"),
        ("ce_source", b"attune/knowledge"),
        ("content-type", b"application/protobuf"),
    )
    return Entry(key, message.SerializeToString(), headers)


def _suggestions(suppressed: Suppressed | None) -> SuggestionRemoval | None:
    if suppressed is None:
        return None
    until = suppressed.history_until
    return SuggestionRemoval(fingerprints=suppressed.fingerprints, history_until=_timestamp(until) if until else None)


def _parse(record: Record) -> Removal:
    """The removal of a record. One that cannot be read is not passed over: somebody may have asked to be forgotten."""
    try:
        message = RemovalMessage.FromString(record.value)
        suppressed = _suppressed(message.suggestions) if message.HasField("suggestions") else None
        user = UserKey(message.tenant_id, message.user_id)
        return Removal(user, message.removed_at.ToDatetime(UTC), message.entity_id, suppressed)
    except (DecodeError, ValueError) as error:
        place = f"{record.topic}/{record.partition}/{record.offset}"
        raise ConfigError(
            f"{place} in the event log is no removal that this version can read: "
            "upgrade attune, or restore the topic from a backup"
        ) from error


def _suppressed(message: SuggestionRemoval) -> Suppressed:
    until = message.history_until.ToDatetime(UTC) if message.HasField("history_until") else None
    return Suppressed(tuple(message.fingerprints), until)


def _timestamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made
