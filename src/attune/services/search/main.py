"""The search role: the one place that constructs it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from attune.search.v1.search_pb2_grpc import add_SearchServiceServicer_to_server
from attune.services.runtime.clock import Clock, system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.consuming.worker import PartitionWorker
from attune.services.runtime.documents import DOCUMENTS_TOPIC
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.outgoing import connect
from attune.services.runtime.security.role_tokens import RoleTokens
from attune.services.runtime.server import Role
from attune.services.runtime.stores import open_source
from attune.services.search.boosts.declared import DeclaredBoosts
from attune.services.search.cross_encoding import CrossEncoding
from attune.services.search.document_log.metrics import DocumentLogMetrics
from attune.services.search.document_log.settings import DocumentLogSettings
from attune.services.search.document_log.worker import document_worker
from attune.services.search.gateway import Gateway
from attune.services.search.index.declaring import declared_fields
from attune.services.search.index.opening import open_index
from attune.services.search.index.port import Index
from attune.services.search.index.read_counts import counting_reads
from attune.services.search.indexing import Indexer
from attune.services.search.kept_rankings import KeptRankings
from attune.services.search.ranking.configured import configured_rankings
from attune.services.search.service import Configured, SearchServicer


async def build(config: Config, metrics: Metrics, *, clock: Clock = system_clock, index: Index | None = None) -> Role:
    """The search service. Its index is bound to the model that the embedding service has, which must be up."""
    fields = declared_fields(config)
    boosts = DeclaredBoosts.read(config.search_boosts_path, fields)
    rankings = configured_rankings(config)
    gateway = Gateway(*(connect(config, role) for role in (RoleName.EMBEDDING, RoleName.KNOWLEDGE)))
    cross_encoding = CrossEncoding()
    if index is None:
        model = await gateway.model(RoleTokens.of(config).metadata())
        count = counting_reads(metrics)
        index = await asyncio.to_thread(open_index, config, model.model_id, model.dimension, count)
        cross_encoding = CrossEncoding(bool(model.cross_encoder_id), config.cross_encoder_candidates)
    kept = KeptRankings(
        config.search_rankings_kept,
        config.search_rankings_kept_s,
        most_bytes=config.search_rankings_kept_mib << 20,
        clock=time.monotonic,
    )
    indexer = Indexer(index, gateway, fields=fields, passages=config.search_passages)
    configured = Configured(boosts, rankings, cross_encoding, kept)
    servicer = SearchServicer(index, gateway, clock, metrics, indexer, configured)
    try:
        documents = await _documents(config, metrics, clock, index, indexer)
    except BaseException:
        await asyncio.to_thread(index.close)
        raise

    async def close() -> None:
        if documents:
            await documents.close()
        await asyncio.to_thread(index.close)
        await gateway.close()

    return Role(
        RoleName.SEARCH,
        ("attune.search.v1.SearchService",),
        lambda server: add_SearchServiceServicer_to_server(servicer, server),
        close,
        documents.watch if documents else _nobody,
        (DOCUMENTS_TOPIC,) if documents else (),
    )


def _nobody(_listener: Callable[[bool], None]) -> None:
    """Searches can be answered as long as the role runs."""


@dataclass(frozen=True, slots=True)
class _Documents:
    """What reads documents from the log, running."""

    source: Source
    worker: PartitionWorker

    def watch(self, listener: Callable[[bool], None]) -> None:
        """Of this alone: searches are answered whether or not documents arrive."""
        self.worker.readiness.watch_on(asyncio.get_running_loop(), listener)

    async def close(self) -> None:
        """End after the batch in hand."""
        await asyncio.to_thread(self.worker.stop)
        self.source.log.close()


async def _documents(
    config: Config, metrics: Metrics, clock: Clock, index: Index, indexer: Indexer
) -> _Documents | None:
    """None where the role takes documents by its RPCs alone."""
    if not config.documents_from_log:
        return None
    settings = DocumentLogSettings.of(config)
    source = await asyncio.to_thread(open_source, config, config.kafka_documents_group)
    counted = DocumentLogMetrics(metrics)
    worker = document_worker(source, index, indexer, clock, counted, settings)
    worker.start()
    return _Documents(source, worker)
