"""The ingest worker: the interactions topic into the knowledge store."""

import time
from collections.abc import Callable

from attune.knowledge_store.knowledge import Knowledge
from attune.services.ingest.applying import Applier
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.settings import IngestSettings
from attune.services.runtime.clock import Clock
from attune.services.runtime.consuming.backlog import Backlogs
from attune.services.runtime.consuming.readiness import Readiness
from attune.services.runtime.consuming.worker import PartitionWorker
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.events import TOPIC
from attune.services.runtime.restoring import restore


class IngestWorker(PartitionWorker):
    """Applies the log to the store until it is stopped. Several may share a store, each with partitions of its own."""

    def __init__(
        self,
        source: Source,
        knowledge: Knowledge,
        clock: Clock,
        metrics: IngestMetrics,
        settings: IngestSettings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        backlogs = Backlogs(knowledge.store, TOPIC, settings.batches, monotonic)
        applier = Applier(source.log, knowledge, clock, metrics, settings)
        readiness = Readiness(metrics, "events do not reach the store")
        super().__init__(source, backlogs, applier, metrics, readiness)
        self._source = source
        self._knowledge = knowledge

    def start(self) -> None:
        """Begin where the store left off, at the log's start if it is new; what users want gone and allow comes first.

        Raises:
            ConfigError: what `restore` raises.
        """
        restore(self._source.log, self._knowledge.store)
        super().start()
