"""The ingest role: the one place that constructs it."""

import asyncio
from collections.abc import Callable

from attune.knowledge_store.knowledge import Knowledge
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.settings import IngestSettings
from attune.services.ingest.worker import IngestWorker
from attune.services.runtime.catalogs import CatalogWatcher
from attune.services.runtime.clock import Clock, system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.server import Role
from attune.services.runtime.stores import open_knowledge, open_source


async def build(
    config: Config,
    metrics: Metrics,
    *,
    clock: Clock = system_clock,
    knowledge: Knowledge | None = None,
    source: Source | None = None,
) -> Role:
    """The worker, running. It has no service of its own beside health and reflection."""
    settings, watcher = IngestSettings.of(config), CatalogWatcher.of(config)
    if knowledge is None:
        knowledge = await asyncio.to_thread(open_knowledge, config)
    source = source or open_source(config, config.kafka_group)
    worker = IngestWorker(source, knowledge, clock, IngestMetrics(metrics), settings)
    await asyncio.to_thread(worker.start)
    watcher.start(knowledge)

    async def close() -> None:
        watcher.stop()
        await asyncio.to_thread(worker.stop)
        source.log.close()
        knowledge.store.close()

    def watch(listener: Callable[[bool], None]) -> None:
        worker.readiness.watch_on(asyncio.get_running_loop(), listener)

    return Role(RoleName.INGEST, close=close, watch=watch)
