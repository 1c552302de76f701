"""What documents are about, in the event log: written before the store is changed, and read before any event is.

    attune.objects.v1    the entities of a document, anew whenever they change. Kept for ever; of each key, the newest
                         is all that is needed

Clicks, views, dwells and feedback name a document. A store that is built again would learn nothing from them, without
these records. The key is tenant/object: a tenant has no slash in its name, so that no two documents share one. There is
nothing of a document's text here, and nothing of users: forgetting a user leaves the topic as it is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from google.protobuf.message import DecodeError

from attune.knowledge.v1.knowledge_pb2 import ObjectEntity
from attune.knowledge.v1.object_pb2 import ObjectRecord
from attune.knowledge_store.model import LinkedEntity
from attune.knowledge_store.store import Store
from attune.knowledge_store.store_model import LoggedObject
from attune.services.runtime.eventlog.port import Entry, EventLog, LogReader, LogWriter, Record
from attune.services.runtime.state_topics import entry_of, every_record, read_on, unreadable

OBJECTS_TOPIC = "attune.objects.v1"
_AT_ONCE = 500


def append_objects(
    event_log: LogWriter, tenant: str, objects: Mapping[str, Sequence[LinkedEntity] | None], at: datetime
) -> None:
    """Make durable in the log what documents are about, by their ids; None unlinks one."""
    event_log.append(OBJECTS_TOPIC, [_entry(tenant, each, linked, at) for each, linked in objects.items()], at)


def append_unlogged(event_log: EventLog, store: Store, at: datetime) -> None:
    """Append the documents that a store knows from a version of attune that had no such topic.

    A store that has read anything of the topic has none. Where the topic says something of a document, that counts: the
    store may be an old backup. So a crash in the middle does no harm, and the next call does the rest.
    """
    partitions = range(event_log.partition_count(OBJECTS_TOPIC))
    if any(store.position(OBJECTS_TOPIC, each) for each in partitions):
        return
    objects = store.every_object()
    batch = list(islice(objects, _AT_ONCE))
    logged = {each.key for each in every_record(event_log, OBJECTS_TOPIC)} if batch else set()
    while batch:
        entries = [_entry(each.tenant, each.object_id, each.linked, at) for each in batch]
        event_log.append(OBJECTS_TOPIC, [each for each in entries if each.key not in logged], at)
        batch = list(islice(objects, _AT_ONCE))


def restore_objects(event_log: LogReader, store: Store) -> None:
    """Let the store take what it has not read yet.

    Raises:
        ConfigError: a record does not tell what a document is about.
    """
    read_on(
        event_log,
        store,
        OBJECTS_TOPIC,
        lambda records, position: store.restore_objects([_parse(each) for each in records], position),
    )


def _entry(tenant: str, object_id: str, linked: Sequence[LinkedEntity] | None, at: datetime) -> Entry:
    message = ObjectRecord(
        tenant_id=tenant,
        object_id=object_id,
        entities=[ObjectEntity(entity_id=each.entity_id, salience=each.salience) for each in linked or ()],
        unlinked=linked is None,
    )
    return entry_of(f"{tenant}/{object_id}".encode(), message, at)


def _parse(record: Record) -> LoggedObject:
    try:
        message = ObjectRecord.FromString(record.value)
        linked = tuple(LinkedEntity(each.entity_id, each.salience) for each in message.entities)
        return LoggedObject(record.offset, message.tenant_id, message.object_id, None if message.unlinked else linked)
    except (DecodeError, ValueError) as error:
        raise unreadable(record, "document's entities") from error
