"""The call interceptor around streams, callers that leave, and services that other services need."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from structlog.testing import capture_logs

from attune.embedding.v1 import embedding_pb2 as pb
from attune.embedding.v1.embedding_pb2_grpc import (
    EmbeddingServiceServicer,
    EmbeddingServiceStub,
    add_EmbeddingServiceServicer_to_server,
)
from attune.services.runtime.call import current_call
from attune.services.runtime.interceptor import CallInterceptor, Deadlines
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.security.authenticator import Authenticator
from attune.services.runtime.security.role_tokens import RoleTokens

STREAM = "/attune.embedding.v1.EmbeddingService/EmbedStream"
ONE = pb.EmbedStreamRequest(request=pb.EmbedRequest(inputs=[pb.TextInput(text="a private matter")]))
Logged = list[MutableMapping[str, Any]]
Answers = Callable[[AsyncIterator[pb.EmbedStreamRequest]], AsyncIterator[pb.EmbedStreamResponse]]


class Servicer(EmbeddingServiceServicer):
    """Answers streams as a test says; its unary method asks another service in vain."""

    def __init__(self, answers: Answers, other: str) -> None:
        self._answers = answers
        self._other = other

    async def EmbedStream(self, request_iterator: Any, _: Any) -> AsyncIterator[pb.EmbedStreamResponse]:  # noqa: N802
        async for each in self._answers(request_iterator):
            yield each

    async def GetModelInfo(self, request: pb.GetModelInfoRequest, _: Any) -> pb.GetModelInfoResponse:  # noqa: N802
        async with grpc.aio.insecure_channel(self._other) as channel:
            return await EmbeddingServiceStub(channel).GetModelInfo(request, timeout=5)


@dataclass
class Harness:
    channel: grpc.aio.Channel
    metrics: Metrics

    @property
    def stub(self) -> Any:
        return EmbeddingServiceStub(self.channel)

    def counted(self, code: str) -> float | None:
        return self.metrics.registry.get_sample_value("attune_rpcs_total", {"method": STREAM, "code": code})


@pytest.fixture(autouse=True)
def logged() -> Iterator[Logged]:
    with capture_logs() as entries:
        yield entries


@asynccontextmanager
async def serving(answers: Answers, other: str = "127.0.0.1:9", stream_s: float = 5) -> AsyncIterator[Harness]:
    metrics = Metrics()
    interceptor = CallInterceptor(Authenticator(RoleTokens()), Deadlines(unary_s=5, stream_s=stream_s), metrics)
    server = grpc.aio.server(interceptors=[interceptor])
    add_EmbeddingServiceServicer_to_server(Servicer(answers, other), server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Harness(channel, metrics)
    finally:
        await server.stop(0)


async def echo(requests: AsyncIterator[pb.EmbedStreamRequest]) -> AsyncIterator[pb.EmbedStreamResponse]:
    async for _ in requests:
        yield pb.EmbedStreamResponse()


def failure(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str]:
    """The code, and the reason in ErrorInfo's place."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    return error.code(), status.details[0].value.decode(errors="replace")


async def test_a_stream_is_answered_message_by_message(logged: Logged) -> None:
    async with serving(echo) as harness:
        call = harness.stub.EmbedStream()
        for _ in range(3):
            await call.write(ONE)
            assert isinstance(await call.read(), pb.EmbedStreamResponse)
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    assert harness.counted("OK") == 1
    (entry,) = [each for each in logged if each["event"] == "rpc"]
    assert (entry["method"], entry["code"], entry["tenant"]) == (STREAM, "OK", "default")
    assert "private" not in repr(logged)


async def test_a_stream_without_a_deadline_gets_the_streams_default() -> None:
    async def never(requests: AsyncIterator[pb.EmbedStreamRequest]) -> AsyncIterator[pb.EmbedStreamResponse]:
        async for _ in requests:
            yield pb.EmbedStreamResponse()
        await asyncio.Event().wait()

    async with serving(never, stream_s=0.2) as harness:
        call = harness.stub.EmbedStream(iter([ONE]))
        assert await call.read() is not grpc.aio.EOF
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call.read()
    code, info = failure(failed.value)
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "DEADLINE_EXCEEDED" in info
    assert harness.counted("DEADLINE_EXCEEDED") == 1


async def test_an_error_in_the_middle_of_a_stream_is_told_by_its_incident(logged: Logged) -> None:
    async def break_off(requests: AsyncIterator[pb.EmbedStreamRequest]) -> AsyncIterator[pb.EmbedStreamResponse]:
        async for _ in requests:  # to its end: a stream that is still being written fails on the client's side first
            yield pb.EmbedStreamResponse()
        raise RuntimeError("the password is swordfish")

    async with serving(break_off) as harness:
        call = harness.stub.EmbedStream(iter([ONE]))
        assert await call.read() is not grpc.aio.EOF
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call.read()
    code, info = failure(failed.value)
    assert code is grpc.StatusCode.INTERNAL
    assert "INTERNAL" in info
    assert "swordfish" not in f"{failed.value.details()}{info}"
    (entry,) = [each for each in logged if "incident" in each]
    assert entry["incident"] in str(failed.value.details())
    assert harness.counted("INTERNAL") == 1


async def test_when_the_caller_leaves_the_work_ends_and_nothing_stays_in_flight() -> None:
    ended = asyncio.Event()

    async def patient(requests: AsyncIterator[pb.EmbedStreamRequest]) -> AsyncIterator[pb.EmbedStreamResponse]:
        try:
            yield pb.EmbedStreamResponse()
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(patient) as harness:
        call = harness.stub.EmbedStream(iter([ONE]))
        await call.read()
        call.cancel()
        await asyncio.wait_for(ended.wait(), 5)
    assert harness.counted("CANCELLED") == 1
    assert harness.metrics.registry.get_sample_value("attune_rpcs_in_flight", {"method": STREAM}) == 0


async def test_two_calls_at_once_are_two_calls() -> None:
    async def deadline(requests: AsyncIterator[pb.EmbedStreamRequest]) -> AsyncIterator[pb.EmbedStreamResponse]:
        async for _ in requests:
            await asyncio.sleep(0)
            yield pb.EmbedStreamResponse(response=pb.EmbedResponse(model_id=f"{current_call().remaining_s():.0f}"))

    async with serving(deadline) as harness:
        calls = [harness.stub.EmbedStream(iter([ONE]), timeout=each) for each in (10, 20)]
        answers = [await call.read() for call in calls]
        for call in calls:
            await call.read()
    assert [answer.response.model_id for answer in answers] == ["10", "20"]


async def test_a_service_that_is_needed_and_down_is_named_as_the_reason() -> None:
    async with serving(echo, other="127.0.0.1:9") as harness:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await harness.stub.GetModelInfo(pb.GetModelInfoRequest())
    code, info = failure(failed.value)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "DEPENDENCY" in info
    assert "GetModelInfo" in str(failed.value.details())


async def test_an_answer_that_no_caller_could_act_on_is_an_internal_error(logged: Logged) -> None:
    other = grpc.aio.server()  # it knows no such method
    port = other.add_insecure_port("127.0.0.1:0")
    await other.start()
    async with serving(echo, other=f"127.0.0.1:{port}") as harness:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await harness.stub.GetModelInfo(pb.GetModelInfoRequest())
    await other.stop(0)
    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert [each for each in logged if "incident" in each]


async def test_health_checks_are_left_alone(logged: Logged) -> None:
    async with serving(echo) as harness:
        stub: Any = health_pb2_grpc.HealthStub(harness.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=""))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert [each for each in logged if each["event"] == "rpc"] == []
