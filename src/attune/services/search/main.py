"""The search role: the one place that constructs it."""

import asyncio

from attune.search.v1.search_pb2_grpc import add_SearchServiceServicer_to_server
from attune.services.runtime.clock import Clock, system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.outgoing import connect
from attune.services.runtime.server import Role
from attune.services.search.gateway import Gateway
from attune.services.search.index.opening import open_index
from attune.services.search.index.port import Index
from attune.services.search.service import SearchServicer


async def build(config: Config, metrics: Metrics, *, clock: Clock = system_clock, index: Index | None = None) -> Role:
    """The search service. Its index is bound to the model that the embedding service has, which must be up."""
    gateway = Gateway(
        *(
            connect(config.address(role), max_message_bytes=config.max_message_bytes)
            for role in (RoleName.EMBEDDING, RoleName.KNOWLEDGE)
        )
    )
    if index is None:
        model = await gateway.model(config.service_token.get_secret_value())
        index = await asyncio.to_thread(open_index, config, model.model_id, model.dimension)
    servicer = SearchServicer(index, gateway, clock, metrics)

    async def close() -> None:
        await asyncio.to_thread(index.close)
        await gateway.close()

    return Role(
        RoleName.SEARCH,
        ("attune.search.v1.SearchService",),
        lambda server: add_SearchServiceServicer_to_server(servicer, server),
        close,
    )
