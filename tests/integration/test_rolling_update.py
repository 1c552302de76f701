"""Replicas are replaced one after the other under calls, as a rolling update does it, and no caller hears of it."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.integration.test_role_server import free_port

from attune.embedding.v1 import embedding_pb2 as pb
from attune.embedding.v1.embedding_pb2_grpc import (
    EmbeddingServiceServicer,
    EmbeddingServiceStub,
    add_EmbeddingServiceServicer_to_server,
)
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.outgoing import connect
from attune.services.runtime.server import Role, RoleServer


class Slow(EmbeddingServiceServicer):
    """Answers once it is let: a call that is in flight when its replica is told to end."""

    def __init__(self, may_answer: asyncio.Event) -> None:
        self.may_answer = may_answer
        self.calls = 0

    async def GetModelInfo(self, request: pb.GetModelInfoRequest, context: Any) -> pb.GetModelInfoResponse:  # noqa: ARG002, N802
        self.calls += 1
        await self.may_answer.wait()
        return pb.GetModelInfoResponse(model_id="m")


async def called(servicer: Slow, callers: "list[asyncio.Task[None]]") -> None:
    """Wait until a call comes to it; fail with what a caller failed by."""
    before = servicer.calls
    while servicer.calls == before:
        await asyncio.sleep(0.001)
        for caller in callers:
            if caller.done():
                caller.result()


async def replica(port: int, servicer: Slow, directory: Path) -> RoleServer:
    role = Role(RoleName.EMBEDDING, register=lambda server: add_EmbeddingServiceServicer_to_server(servicer, server))
    return await RoleServer.start(role, Config(data_dir=directory, embedding_port=port), Metrics())


async def test_replicas_are_replaced_and_no_call_fails(tmp_path: Path) -> None:
    may_answer = asyncio.Event()
    may_answer.set()
    ports = [free_port(), free_port()]
    servicers = [Slow(may_answer), Slow(may_answer)]
    replicas = [await replica(*each, tmp_path) for each in zip(ports, servicers, strict=True)]
    address = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    channel = connect(Config(embedding_address=address, allow_plaintext=True), RoleName.EMBEDDING)
    stub: Any = EmbeddingServiceStub(channel)
    ended = asyncio.Event()

    async def call_on() -> None:
        while not ended.is_set():
            await stub.GetModelInfo(pb.GetModelInfoRequest(), timeout=30)

    callers = [asyncio.create_task(call_on()) for _ in range(8)]
    for place, port in enumerate(ports):
        for each in servicers:
            await called(each, callers)
        may_answer.clear()
        stopping = asyncio.create_task(replicas[place].stop(20))
        await asyncio.sleep(0)
        may_answer.set()
        await stopping
        servicers[place] = Slow(may_answer)
        replicas[place] = await replica(port, servicers[place], tmp_path)
        await called(servicers[place], callers)  # as an update waits for a new pod before it ends the next
    ended.set()
    await asyncio.gather(*callers)
    await channel.close()
    for each in replicas:
        await each.stop(0)


async def test_a_call_to_a_replica_alone_is_unavailable_once_it_has_ended(tmp_path: Path) -> None:
    """So that the test above can fail: without another replica, retries do not help."""
    may_answer = asyncio.Event()
    may_answer.set()
    port = free_port()
    only = await replica(port, Slow(may_answer), tmp_path)
    config = Config(embedding_address=f"127.0.0.1:{port}")
    channel = connect(config, RoleName.EMBEDDING)
    stub: Any = EmbeddingServiceStub(channel)
    await stub.GetModelInfo(pb.GetModelInfoRequest(), timeout=30)
    await only.stop(0)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.GetModelInfo(pb.GetModelInfoRequest(), timeout=30)
    assert failure.value.code() == grpc.StatusCode.UNAVAILABLE
    await channel.close()
