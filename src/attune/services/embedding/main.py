"""The embedding role: the one place that constructs it."""

import time

from attune.embedding.v1.embedding_pb2_grpc import add_EmbeddingServiceServicer_to_server
from attune.embeddings.batching import BatchingEngine
from attune.embeddings.cache import VectorCache
from attune.embeddings.caching import CachingEngine, TextEngine
from attune.embeddings.cross_encoder.engine import PairEngine
from attune.embeddings.cross_encoder.messages import ScorerSettings
from attune.embeddings.workers.messages import WorkerInfo, WorkerSettings
from attune.embeddings.workers.process import WorkerProcess
from attune.services.embedding.model import Model
from attune.services.embedding.service import EmbeddingServicer
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.server import Role


async def build(config: Config, metrics: Metrics) -> Role:
    """The embedding service, warm: its workers have computed batches before it reports ready."""
    workers = [WorkerProcess(_settings(config, device.strip())) for device in config.devices.split(",")]
    engine = BatchingEngine(workers, clock=time.monotonic)
    metrics.queued_tokens.set_function(lambda: engine.queued_tokens)
    pairs = _pairs(config)
    try:
        info = await engine.start()
        if pairs:
            await pairs.start()
    except BaseException:
        await engine.close()
        raise
    servicer = EmbeddingServicer(_remembering(engine, config, metrics), _model(info), pairs)

    async def close() -> None:
        if pairs:
            await pairs.close()
        await engine.close()

    return Role(
        RoleName.EMBEDDING,
        ("attune.embedding.v1.EmbeddingService",),
        lambda server: add_EmbeddingServiceServicer_to_server(servicer, server),
        close,
        engine.watch,
    )


def _pairs(config: Config) -> PairEngine | None:
    """What scores pairs, where the settings name a cross-encoder; on the first of the devices."""
    if config.cross_encoder_path is None:
        return None
    device = config.devices.partition(",")[0].strip()
    settings = ScorerSettings(str(config.cross_encoder_path), config.threads, device)
    return PairEngine(settings, clock=time.monotonic)


def _remembering(engine: BatchingEngine, config: Config, metrics: Metrics) -> TextEngine:
    """The engine, behind a cache where the settings have one."""
    if not config.embedding_cache_mb:
        return engine

    def count(hits: int, misses: int) -> None:
        metrics.cached_texts.labels("hit").inc(hits)
        metrics.cached_texts.labels("miss").inc(misses)

    return CachingEngine(engine, VectorCache(config.embedding_cache_mb << 20), count)


def _settings(config: Config, device: str) -> WorkerSettings:
    path = str(config.model_path) if config.model_path else None
    return WorkerSettings(path, config.precision, config.threads, device)


def _model(info: WorkerInfo) -> Model:
    return Model(
        model_id=f"{info.name}@{info.revision}",
        dimension=info.dimension,
        max_tokens=info.max_tokens,
        precision=info.precision_reason.partition(":")[0],
        precision_reason=info.precision_reason,
        device=info.device,
    )
