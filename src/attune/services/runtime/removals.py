"""What users wanted gone, in the event log: written before the store is changed, and read before any event is.

A store can be lost and built again from the log. An event from before its user was forgotten may lie there in clear,
because a producer repeated it; without the removals, it would bring the user back.

    attune.forgets.v1    tombstones of users. Kept for ever; of each key, the newest is all that is needed
    attune.removals.v1   forgotten entities and suppressed suggestions. Erased with the user, as they tell of them

The key is that of the user's events. Nothing here depends on the order of records, neither within a topic nor between
the two and the events: a tombstone says by its time what it covers.

A store's positions in both move at a start only: who appends a removal and takes it to the store cannot tell whether
all before it have come there. So a start reads what was removed since the last one, most of which changes nothing.
"""

from datetime import UTC

from google.protobuf.message import DecodeError

from attune.knowledge.v1.removal_pb2 import Removal as RemovalMessage
from attune.knowledge.v1.removal_pb2 import SuggestionRemoval
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store import Store
from attune.knowledge_store.store_model import Removal, Suppressed
from attune.services.runtime.eventlog.port import EventLog, LogReader, Record
from attune.services.runtime.state_topics import append_of_user, read_on, timestamp, unreadable

FORGETS_TOPIC = "attune.forgets.v1"
REMOVALS_TOPIC = "attune.removals.v1"


def append_removal(event_log: EventLog, removal: Removal) -> None:
    """Make a removal durable in the log."""
    is_part = bool(removal.entity_id) or removal.suppressed is not None
    topic = REMOVALS_TOPIC if is_part else FORGETS_TOPIC
    append_of_user(event_log, topic, removal.user, _to_message(removal), removal.at)


def restore_removals(event_log: LogReader, store: Store) -> None:
    """Let the store take the removals that it has not read yet.

    Raises:
        ConfigError: a record is no removal.
    """
    for topic in (FORGETS_TOPIC, REMOVALS_TOPIC):
        read_on(
            event_log,
            store,
            topic,
            lambda records, position: store.restore([_parse(each) for each in records], position),
        )


def _to_message(removal: Removal) -> RemovalMessage:
    message = RemovalMessage(
        tenant_id=removal.user.tenant,
        user_id=removal.user.user,
        removed_at=timestamp(removal.at),
        suggestions=_suggestions(removal.suppressed),
    )
    if removal.entity_id:
        message.entity_id = removal.entity_id
    return message


def _suggestions(suppressed: Suppressed | None) -> SuggestionRemoval | None:
    if suppressed is None:
        return None
    until = suppressed.history_until
    return SuggestionRemoval(fingerprints=suppressed.fingerprints, history_until=timestamp(until) if until else None)


def _parse(record: Record) -> Removal:
    try:
        message = RemovalMessage.FromString(record.value)
        suppressed = _suppressed(message.suggestions) if message.HasField("suggestions") else None
        user = UserKey(message.tenant_id, message.user_id)
        return Removal(user, message.removed_at.ToDatetime(UTC), message.entity_id, suppressed)
    except (DecodeError, ValueError) as error:
        raise unreadable(record, "removal") from error


def _suppressed(message: SuggestionRemoval) -> Suppressed:
    until = message.history_until.ToDatetime(UTC) if message.HasField("history_until") else None
    return Suppressed(tuple(message.fingerprints), until)
