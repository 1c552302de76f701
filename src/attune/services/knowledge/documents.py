"""What documents are about: to the log first, then to the store, which reads it from there."""

import threading
from collections.abc import Mapping, Sequence

from attune.knowledge_store.knowledge import Document, Knowledge
from attune.knowledge_store.model import LinkedEntity
from attune.services.runtime.clock import Clock
from attune.services.runtime.eventlog.port import EventLog
from attune.services.runtime.objects import append_objects, restore_objects


class Documents:
    """Links documents and unlinks them. Each call may be repeated. Blocking; any thread may call."""

    def __init__(self, knowledge: Knowledge, event_log: EventLog, clock: Clock) -> None:
        self._knowledge = knowledge
        self._event_log = event_log
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        """What is appended depends on what is known: of two calls about one document, the later one must see both."""

    def link(self, tenant: str, documents: Sequence[Document]) -> dict[str, list[LinkedEntity]]:
        """The entities of each document, remembered for the events that will name it.

        What is known already is not logged again: documents are indexed over and over, and seldom change.
        """
        linked = self._knowledge.link_documents(documents)
        with self._one_at_a_time:
            held = self._held(tenant, list(linked))
            self._take(tenant, {each: found for each, found in linked.items() if held.get(each) != found})
        return linked

    def unlink(self, tenant: str, object_ids: Sequence[str]) -> int:
        """Drop what is known of documents; how many of them were known."""
        with self._one_at_a_time:
            held = self._held(tenant, object_ids)
            self._take(tenant, dict.fromkeys(held))
        return len(held)

    def _held(self, tenant: str, object_ids: Sequence[str]) -> dict[str, list[LinkedEntity]]:
        restore_objects(self._event_log, self._knowledge.store)  # what the store did not take when it was asked before
        return self._knowledge.store.objects(tenant, object_ids)

    def _take(self, tenant: str, objects: Mapping[str, Sequence[LinkedEntity] | None]) -> None:
        if objects:
            append_objects(self._event_log, tenant, objects, self._clock())
            restore_objects(self._event_log, self._knowledge.store)
