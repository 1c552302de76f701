"""The ingest role: the one place that constructs it."""

import asyncio

from attune.knowledge_store.knowledge import Knowledge
from attune.services.ingest.worker import IngestWorker
from attune.services.runtime.catalogs import CatalogWatcher
from attune.services.runtime.clock import Clock, system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.eventlog.port import EventLog
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.server import Role
from attune.services.runtime.stores import open_event_log, open_knowledge


async def build(
    config: Config,
    metrics: Metrics,
    *,
    clock: Clock = system_clock,
    knowledge: Knowledge | None = None,
    event_log: EventLog | None = None,
) -> Role:
    """The worker, running. It has no service of its own beside health and reflection."""
    watcher = CatalogWatcher.of(config)
    if knowledge is None:
        knowledge = await asyncio.to_thread(open_knowledge, config)
    event_log = event_log or open_event_log(config)
    worker = IngestWorker(event_log, knowledge, clock, metrics)
    await asyncio.to_thread(worker.start)
    watcher.start(knowledge)

    async def close() -> None:
        watcher.stop()
        await asyncio.to_thread(worker.stop)
        event_log.close()
        knowledge.store.close()

    return Role(RoleName.INGEST, close=close)
