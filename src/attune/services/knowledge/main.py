"""The knowledge role: the one place that constructs it."""

import asyncio

from attune.knowledge.v1.knowledge_pb2_grpc import add_KnowledgeServiceServicer_to_server
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.store import Store
from attune.services.knowledge.reachability import StoreWatch
from attune.services.knowledge.service import KnowledgeServicer
from attune.services.runtime.catalogs import CatalogWatcher
from attune.services.runtime.clock import Clock, system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.eventlog.port import EventLog
from attune.services.runtime.objects import append_unlogged
from attune.services.runtime.restoring import require_not_ahead, restore
from attune.services.runtime.server import Role
from attune.services.runtime.stores import open_event_log, open_knowledge


async def build(
    config: Config,
    *,
    clock: Clock = system_clock,
    knowledge: Knowledge | None = None,
    event_log: EventLog | None = None,
) -> Role:
    """The knowledge service over the store and the log of `config`, or over those handed in."""
    watcher = CatalogWatcher.of(config)
    if knowledge is None:
        knowledge = await asyncio.to_thread(open_knowledge, config)
    event_log = event_log or open_event_log(config)
    await asyncio.to_thread(_reconcile, event_log, knowledge.store, clock)
    store_watch = StoreWatch(knowledge.store)
    servicer = KnowledgeServicer(knowledge, event_log, clock, store_watch)
    watcher.start(knowledge)
    store_watch.start()

    async def close() -> None:
        watcher.stop()
        store_watch.stop()
        await servicer.finish()
        event_log.close()
        knowledge.store.close()

    return Role(
        RoleName.KNOWLEDGE,
        ("attune.knowledge.v1.KnowledgeService",),
        lambda server: add_KnowledgeServiceServicer_to_server(servicer, server),
        close,
        store_watch.watch,
    )


def _reconcile(event_log: EventLog, store: Store, clock: Clock) -> None:
    """Give the log what only the store knows of documents, and the store what it has not read yet."""
    require_not_ahead(event_log, store)
    append_unlogged(event_log, store, clock())
    restore(event_log, store)
