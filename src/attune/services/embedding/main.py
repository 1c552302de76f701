"""The embedding role: the one place that constructs it."""

import asyncio
import time

from attune.embedding.v1.embedding_pb2_grpc import add_EmbeddingServiceServicer_to_server
from attune.embeddings.batching import BatchingEngine
from attune.embeddings.embedder import Embedder
from attune.embeddings.items import EmbedItem
from attune.services.embedding.model import Model
from attune.services.embedding.service import EmbeddingServicer
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.server import Role


async def build(config: Config, *, embedder: Embedder | None = None) -> Role:
    """The embedding service, warm: a first text was embedded before it reports ready."""
    if embedder is None:
        embedder = await asyncio.to_thread(_load, config)
    engine = BatchingEngine(embedder, clock=time.monotonic)
    engine.start()
    await engine.embed([EmbedItem("warm up")])
    servicer = EmbeddingServicer(engine, embedder.domains, _model(embedder))
    return Role(
        RoleName.EMBEDDING,
        ("attune.embedding.v1.EmbeddingService",),
        lambda server: add_EmbeddingServiceServicer_to_server(servicer, server),
        engine.close,
    )


def _load(config: Config) -> Embedder:
    path = str(config.model_path) if config.model_path else None
    return Embedder.load(path, config.precision, config.threads)


def _model(embedder: Embedder) -> Model:
    return Model(
        model_id=f"{embedder.name}@{embedder.revision}",
        dimension=embedder.dimension,
        max_tokens=embedder.max_tokens,
        precision=embedder.precision.reason.partition(":")[0],
        precision_reason=embedder.precision.reason,
        device="cpu",
    )
