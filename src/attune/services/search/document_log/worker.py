"""The worker of the documents topic: its offsets are kept in the index, beside the documents."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from attune.knowledge_store.store_model import Claim
from attune.services.runtime.clock import Clock
from attune.services.runtime.consuming.backlog import Backlogs
from attune.services.runtime.consuming.readiness import Readiness
from attune.services.runtime.consuming.worker import PartitionWorker
from attune.services.runtime.documents import DOCUMENTS_TOPIC
from attune.services.runtime.eventlog.consumer import Source
from attune.services.search.document_log.applying import DocumentApplier
from attune.services.search.document_log.metrics import DocumentLogMetrics
from attune.services.search.document_log.settings import DocumentLogSettings
from attune.services.search.index.port import Index
from attune.services.search.indexing import Indexer


@dataclass(frozen=True, slots=True)
class IndexClaims:
    """Where the index has read to. Nobody is fenced off: what a worker of before writes is older than what is there."""

    index: Index

    def claim(self, _topic: str, partition: int) -> Claim:
        """See `Claims.claim`."""
        return Claim(epoch=self.index.epoch(), next_offset=self.index.log_offset(partition))


@dataclass(slots=True)
class Outdated:
    """Whether generations of the index have changed since it was asked last: a new one has read nothing yet."""

    index: Index
    epoch: int

    def __call__(self) -> bool:
        """See `PartitionWorker`."""
        before, self.epoch = self.epoch, self.index.epoch()
        return before != self.epoch


def document_worker(
    source: Source,
    index: Index,
    indexer: Indexer,
    clock: Clock,
    metrics: DocumentLogMetrics,
    settings: DocumentLogSettings,
    monotonic: Callable[[], float] = time.monotonic,
) -> PartitionWorker:
    """A worker that brings documents into the index, not started yet; called on the loop of the role."""
    loop = asyncio.get_running_loop()
    backlogs = Backlogs(IndexClaims(index), DOCUMENTS_TOPIC, settings.batches, monotonic)
    applier = DocumentApplier(source.log, index, indexer, loop, clock, metrics, settings)
    readiness = Readiness(metrics, "documents do not reach the index")
    outdated = Outdated(index, index.epoch())
    return PartitionWorker(source, backlogs, applier, metrics, readiness, outdated=outdated)
