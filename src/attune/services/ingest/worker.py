"""The ingest worker: the interactions topic into the knowledge store."""

import time
from collections.abc import Callable

from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.store import Store
from attune.services.ingest.applying import Applier
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.settings import IngestSettings
from attune.services.ingest.sweeping import sweep
from attune.services.runtime.clock import Clock
from attune.services.runtime.consuming.backlog import Backlogs
from attune.services.runtime.consuming.readiness import Readiness
from attune.services.runtime.consuming.worker import PartitionWorker
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.port import EventLog
from attune.services.runtime.events import TOPIC
from attune.services.runtime.restoring import restore


class IngestWorker(PartitionWorker):
    """Applies the log to the store until it is stopped. Several may share a store, each with partitions of its own.

    Before anything is read, the store is told what users want gone and allow: `start` raises what `prepare` does.
    """

    def __init__(
        self,
        source: Source,
        knowledge: Knowledge,
        clock: Clock,
        metrics: IngestMetrics,
        settings: IngestSettings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            source,
            Backlogs(knowledge.store, TOPIC, settings.batches, monotonic),
            Applier(source.log, knowledge, clock, metrics, settings),
            metrics,
            Readiness(metrics, "events do not reach the store"),
            prepare=lambda: prepare(source.log, knowledge.store),
        )


def prepare(event_log: EventLog, store: Store) -> None:
    """What a worker does before it reads. Raises what `restore` does."""
    restore(event_log, store)
    sweep(event_log, store)
