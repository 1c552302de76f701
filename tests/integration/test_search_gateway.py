"""Search's gateway against a knowledge service that fails: what is only of use to a person fails nobody else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge.v1.context_pb2 import Context
from attune.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceServicer, add_KnowledgeServiceServicer_to_server
from attune.services.runtime.call import Call, enter_call
from attune.services.search.gateway import Gateway, is_without_answer


class Failing(KnowledgeServiceServicer):
    """Ends each call with a code, or never."""

    def __init__(self, code: grpc.StatusCode | None) -> None:
        self._code = code

    async def UnlinkObjects(self, request: pb.UnlinkObjectsRequest, context: Any) -> pb.UnlinkObjectsResponse:  # noqa: ARG002, N802
        await self._fail(context)
        return pb.UnlinkObjectsResponse()

    async def RetrieveEntities(self, request: pb.RetrieveEntitiesRequest, context: Any) -> pb.RetrieveEntitiesResponse:  # noqa: ARG002, N802
        await self._fail(context)
        return pb.RetrieveEntitiesResponse()

    async def _fail(self, context: Any) -> None:
        if self._code is None:
            await asyncio.Event().wait()
        await context.abort(self._code, "a failure")


@asynccontextmanager
async def gateway_to(code: grpc.StatusCode | None) -> AsyncIterator[Gateway]:
    server = grpc.aio.server()
    add_KnowledgeServiceServicer_to_server(Failing(code), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    gateway = Gateway(grpc.aio.insecure_channel(address), grpc.aio.insecure_channel(address))
    yield gateway
    await gateway.close()
    await server.stop(0)


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, None])
async def test_documents_stay_linked_where_knowledge_has_no_answer_within_half_of_the_time(
    code: grpc.StatusCode | None,
) -> None:
    async with gateway_to(code) as gateway:
        enter_call(Call("DeleteDocuments", "acme", time.monotonic() + 0.4))
        assert await gateway.unlink(["1"]) is False


async def test_what_is_refused_is_an_error() -> None:
    async with gateway_to(grpc.StatusCode.UNAUTHENTICATED) as gateway:
        enter_call(Call("DeleteDocuments", "acme", time.monotonic() + 60))
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.unlink(["1"])


async def test_what_is_known_of_a_user_is_not_waited_for_until_the_deadline() -> None:
    async with gateway_to(None) as gateway:
        call = Call("Search", "acme", time.monotonic() + 2)
        enter_call(call)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await gateway.person("ada", "query", Context(), ["a"])
        assert is_without_answer(failed.value)
        assert call.remaining_s() > 0
