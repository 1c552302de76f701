"""The call interceptor on a real gRPC server: deadlines, credentials, errors, metrics, and no text in the log."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from attune.embedding.v1 import embedding_pb2 as pb
from attune.embedding.v1.embedding_pb2_grpc import (
    EmbeddingServiceServicer,
    EmbeddingServiceStub,
    add_EmbeddingServiceServicer_to_server,
)
from attune.knowledge_store.store import StoreBusyError, StoreError
from attune.services.runtime.call import Call, current_call
from attune.services.runtime.errors import overloaded
from attune.services.runtime.interceptor import CallInterceptor, Deadlines
from attune.services.runtime.logs import configure_logs
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.outgoing import onward
from attune.services.runtime.security.authenticator import Authenticator
from attune.services.runtime.security.identity import Identity
from attune.services.runtime.security.role_tokens import RoleTokens
from attune.services.runtime.security.scopes import Scope
from attune.services.runtime.security.static_tokens import StaticTokens

METHOD = "/attune.embedding.v1.EmbeddingService/GetModelInfo"
Handler = Callable[[], Awaitable[None]]


class Servicer(EmbeddingServiceServicer):
    """Does what a test says."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def GetModelInfo(self, request: pb.GetModelInfoRequest, context: Any) -> pb.GetModelInfoResponse:  # noqa: ARG002, N802
        await self._handler()
        return pb.GetModelInfoResponse(model_id="m")

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:  # noqa: ARG002, N802
        await self._handler()
        return pb.EmbedResponse()


class Harness:
    def __init__(self, channel: grpc.aio.Channel, server: grpc.aio.Server, metrics: Metrics) -> None:
        self.channel = channel
        self.stub: Any = EmbeddingServiceStub(channel)
        self.server = server
        self.metrics = metrics


@asynccontextmanager
async def serving(handler: Handler, tokens: dict[str, str] | None = None) -> AsyncIterator[Harness]:
    metrics = Metrics()
    verifiers = [] if tokens is None else [StaticTokens({token: reader(of) for token, of in tokens.items()})]
    authenticator = Authenticator(RoleTokens(["role-secret"]) if tokens else RoleTokens(), verifiers)
    interceptor = CallInterceptor(authenticator, Deadlines(unary_s=0.3, stream_s=5), metrics)
    server = grpc.aio.server(interceptors=[interceptor])
    add_EmbeddingServiceServicer_to_server(Servicer(handler), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Harness(channel, server, metrics)
    await server.stop(0)


def reader(tenant: str) -> Identity:
    return Identity(tenant, frozenset({Scope.READ}))


async def ask(harness: Harness, **options: Any) -> pb.GetModelInfoResponse:
    return await harness.stub.GetModelInfo(pb.GetModelInfoRequest(), **options)


async def nothing() -> None:
    """Answer at once."""


async def test_a_call_without_a_deadline_gets_the_default() -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    async with serving(for_ever) as harness:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await ask(harness)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def reason(error: grpc.aio.AioRpcError) -> str:
    """Of the error's ErrorInfo."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "attune"
    return info.reason


async def test_a_deadline_that_passes_at_the_server_says_so() -> None:
    async with serving(asyncio.Event().wait) as harness:  # type: ignore[arg-type]
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await ask(harness)
    assert reason(failed.value) == "DEADLINE_EXCEEDED"


async def test_a_store_that_is_away_may_be_asked_again_and_a_broken_one_is_an_incident() -> None:
    async def away() -> None:
        raise StoreBusyError("PostgreSQL says no password for user secret")

    async def broken() -> None:
        raise StoreError("a user's record is damaged (secret): restore a backup")

    failures = []
    for handler in (away, broken):
        async with serving(handler) as harness:
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await ask(harness, timeout=20)
        assert "secret" not in str(failed.value.details())
        failures.append(failed.value)
    assert [each.code() for each in failures] == [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL]
    assert [reason(each) for each in failures] == ["STORE_UNAVAILABLE", "INTERNAL"]
    status = rpc_status.from_call(failures[0])  # type: ignore[arg-type]
    assert status is not None
    retry = error_details_pb2.RetryInfo()
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1000


async def test_a_timeout_within_the_deadline_is_no_deadline() -> None:
    async def fail() -> None:
        raise TimeoutError("a lock of ours")

    async with serving(fail) as harness:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await ask(harness, timeout=20)
    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert reason(failed.value) == "INTERNAL"


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
@pytest.mark.parametrize("method", ["/attune.embedding.v1.EmbeddingService/Fly", "/other.Service/Embed"])
async def test_a_method_that_nobody_serves_is_named_with_details(kind: str, method: str) -> None:
    async with serving(nothing) as harness:
        request = iter([b"any"]) if kind.startswith("stream") else b"any"
        call = getattr(harness.channel, kind)(method)(request, timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await (call.read() if kind.endswith("stream") else call)
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert reason(failed.value) == "UNKNOWN_METHOD"
    assert method in str(failed.value.details())


async def test_bytes_that_are_no_request_are_told_with_details() -> None:
    async with serving(nothing) as harness:
        call = harness.channel.unary_unary(METHOD)(b"\xff\xff", timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call
    assert reason(failed.value) == "UNREADABLE_REQUEST"


async def test_the_callers_deadline_and_tenant_are_known_and_passed_on() -> None:
    seen: list[tuple[Call, Any]] = []

    async def look() -> None:
        seen.append((current_call(), onward()))

    async with serving(look, {"s3cret": "acme"}) as harness:
        await ask(harness, timeout=20, metadata=(("authorization", "Bearer s3cret"),))
    call, options = seen[0]
    assert (call.tenant, call.method) == ("acme", METHOD)
    assert 15 < call.remaining_s() < 21
    assert 15 < options["timeout"] < 21
    assert options["metadata"] == (("authorization", "Bearer role-secret"), ("attune-tenant", "acme"))


async def test_a_limit_shortens_what_is_passed_on() -> None:
    seen: list[float] = []

    async def look() -> None:
        seen.append(onward(1.5)["timeout"])

    async with serving(look) as harness:
        await ask(harness, timeout=20)
    assert seen == [1.5]


async def test_without_a_known_token_nothing_is_called() -> None:
    called: list[bool] = []

    async def note() -> None:
        called.append(True)

    async with serving(note, {"s3cret": "acme"}) as harness:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await ask(harness)
    assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert called == []


async def test_without_the_scope_nothing_is_called() -> None:
    called: list[bool] = []

    async def note() -> None:
        called.append(True)

    async with serving(note, {"s3cret": "acme"}) as harness:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await harness.stub.ReloadDomains(
                pb.ReloadDomainsRequest(), metadata=(("authorization", "Bearer s3cret"),), timeout=20
            )
    assert failed.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason(failed.value) == "MISSING_SCOPE"
    assert called == []


async def test_a_role_works_for_the_tenant_that_it_names() -> None:
    seen: list[str] = []

    async def look() -> None:
        seen.append(current_call().tenant)

    async with serving(look, {"s3cret": "acme"}) as harness:
        await ask(harness, timeout=20, metadata=RoleTokens(["role-secret"]).metadata("globex"))
    assert seen == ["globex"]


async def test_a_role_that_another_refuses_is_an_incident_and_not_the_callers_fault(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("info")

    async with serving(nothing, {"s3cret": "acme"}) as other:

        async def call_without_credential() -> None:
            await ask(other, timeout=20)

        async with serving(call_without_credential) as harness:
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await ask(harness, timeout=20)
    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert "ATTUNE_SERVICE_TOKEN" in capsys.readouterr().err


async def test_an_unexpected_error_is_told_by_its_incident_only(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")

    async def fail() -> None:
        raise RuntimeError("the password is swordfish")

    async with serving(fail) as harness:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await ask(harness)
    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert "swordfish" not in (failed.value.details() or "")
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    incident = next(each["incident"] for each in logged if "incident" in each)
    assert incident in (failed.value.details() or "")


async def test_an_error_on_purpose_keeps_its_details() -> None:
    async def refuse() -> None:
        raise overloaded("the queue is full", 2)

    async with serving(refuse) as harness:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await ask(harness)
    status = rpc_status.from_call(failed.value)  # type: ignore[arg-type]
    assert status is not None
    retry = error_details_pb2.RetryInfo()
    assert status.details[1].Unpack(retry)
    assert (failed.value.code(), retry.retry_delay.seconds) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 2)


async def test_calls_are_counted_by_method_and_code() -> None:
    async with serving(nothing) as harness:
        await ask(harness)
        with pytest.raises(grpc.aio.AioRpcError):
            await harness.stub.Embed(pb.EmbedRequest())
    value = harness.metrics.registry.get_sample_value
    assert value("attune_rpcs_total", {"method": METHOD, "code": "OK"}) == 1
    embed = "/attune.embedding.v1.EmbeddingService/Embed"
    assert value("attune_rpcs_total", {"method": embed, "code": "INVALID_ARGUMENT"}) == 1
    assert value("attune_rpcs_in_flight", {"method": METHOD}) == 0


async def test_the_log_says_what_was_called_and_not_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    async with serving(nothing) as harness:
        request = pb.EmbedRequest(inputs=[pb.TextInput(text="a private matter")])
        await harness.stub.Embed(request, metadata=(("authorization", "Bearer t0ken"),))
    logged = capsys.readouterr().err
    assert '"code": "OK"' in logged
    assert "private" not in logged
    assert "t0ken" not in logged


async def test_a_call_in_flight_is_answered_before_the_server_ends() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        entered.set()
        await go_on.wait()

    async with serving(wait) as harness:
        answer = asyncio.ensure_future(ask(harness, timeout=10))
        await entered.wait()
        stopping = asyncio.ensure_future(harness.server.stop(5))
        go_on.set()
        assert (await answer).model_id == "m"
        await stopping
