"""What a store must know before it serves or applies anything: what users want and allow, what documents are about."""

from attune.knowledge_store.store import Store
from attune.services.runtime.config import ConfigError
from attune.services.runtime.consents import CONSENTS_TOPIC, restore_consents
from attune.services.runtime.eventlog.port import LogReader
from attune.services.runtime.events import TOPIC
from attune.services.runtime.objects import OBJECTS_TOPIC, restore_objects
from attune.services.runtime.removals import FORGETS_TOPIC, REMOVALS_TOPIC, restore_removals


def restore(event_log: LogReader, store: Store) -> None:
    """Let the store take what the log says of that and it has not read yet. A role does so at its start.

    Raises:
        ConfigError: the store is ahead of the log (they do not belong together), or a record cannot be read.
    """
    require_not_ahead(event_log, store)
    restore_consents(event_log, store)
    restore_removals(event_log, store)
    restore_objects(event_log, store)


def require_not_ahead(event_log: LogReader, store: Store) -> None:
    """Raises ConfigError where the store has read more than there is: the two do not belong together."""
    for topic in (TOPIC, CONSENTS_TOPIC, FORGETS_TOPIC, REMOVALS_TOPIC, OBJECTS_TOPIC):
        for partition in range(event_log.partition_count(topic)):
            applied, end = store.position(topic, partition), event_log.end_offset(topic, partition)
            if applied > end:
                raise ConfigError(
                    f"the knowledge store has applied {topic}/{partition} up to {applied}, but the log ends at {end}: "
                    "put the log back that this store was computed from"
                )
