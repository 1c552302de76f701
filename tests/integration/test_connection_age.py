"""Callers are asked to connect anew once in a while, to find replicas that were added; no call fails for it."""

import asyncio
from pathlib import Path
from typing import Any

import grpc

from attune.embedding.v1 import embedding_pb2 as pb
from attune.embedding.v1.embedding_pb2_grpc import (
    EmbeddingServiceServicer,
    EmbeddingServiceStub,
    add_EmbeddingServiceServicer_to_server,
)
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.server import Role, RoleServer


class Remembering(EmbeddingServiceServicer):
    """Remembers the connections that calls came by."""

    def __init__(self) -> None:
        self.connections: set[str] = set()

    async def GetModelInfo(self, request: pb.GetModelInfoRequest, context: Any) -> pb.GetModelInfoResponse:  # noqa: ARG002, N802
        self.connections.add(context.peer())
        return pb.GetModelInfoResponse(model_id="m")


async def test_a_connection_is_replaced_under_calls_and_none_of_them_fails(tmp_path: Path) -> None:
    remembering = Remembering()
    role = Role(RoleName.EMBEDDING, register=lambda server: add_EmbeddingServiceServicer_to_server(remembering, server))
    server = await RoleServer.start(role, Config(data_dir=tmp_path, embedding_port=0, connection_age_s=0.05), Metrics())
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = EmbeddingServiceStub(channel)
        while len(remembering.connections) < 3:
            calls = (stub.GetModelInfo(pb.GetModelInfoRequest(), timeout=30) for _ in range(8))
            assert {answer.model_id for answer in await asyncio.gather(*calls)} == {"m"}
    await server.stop(0)
