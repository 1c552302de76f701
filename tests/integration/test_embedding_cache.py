"""The embedding role with its real worker: what is asked twice is computed once, and the metrics say so."""

import asyncio

import grpc
import pytest

from attune.embedding.v1 import embedding_pb2 as pb
from attune.embedding.v1.embedding_pb2_grpc import EmbeddingServiceStub
from attune.services.embedding.main import build
from attune.services.runtime.config import Config
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.server import RoleServer


async def ask_twice(config: Config, metrics: Metrics) -> list[pb.EmbedResponse]:
    server = await RoleServer.start(await build(config, metrics), config, metrics)
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = EmbeddingServiceStub(channel)
            texts = [pb.TextInput(text=text) for text in ("a tide table", "harbour")]
            return [await stub.Embed(pb.EmbedRequest(inputs=texts), timeout=60) for _ in range(2)]
    finally:
        await server.stop(1)


@pytest.mark.parametrize(("megabytes", "hits", "misses"), [(1, 2, 2), (0, None, None)])
def test_the_hit_rate_is_a_metric(tmp_path, megabytes, hits, misses):
    config = Config(embedding_port=0, data_dir=tmp_path, embedding_cache_mb=megabytes)
    metrics = Metrics()
    first, again = asyncio.run(ask_twice(config, metrics))
    assert first.vectors.data == again.vectors.data
    assert list(first.items) == list(again.items)
    assert (again.timings.compute_ms == 0) is bool(megabytes)
    name = "attune_embedding_cache_texts_total"
    counted = [metrics.registry.get_sample_value(name, {"outcome": outcome}) for outcome in ("hit", "miss")]
    assert counted == [hits, misses]
