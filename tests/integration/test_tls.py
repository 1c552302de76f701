"""Encrypted connections to a real server: who gets through, and how certificates are replaced while it runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.fakes.authority import Authority

from attune.services.client.channels import Channels, Tls
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.outgoing import connect
from attune.services.runtime.security.certificates import CertificateFiles, RenewedFiles
from attune.services.runtime.security.renewed_channel import RenewedChannel
from attune.services.runtime.security.transport import channel_credentials
from attune.services.runtime.server import Role, RoleServer

OURS, THEIRS = Authority("ours"), Authority("theirs")
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return issued(tmp_path, OURS, trusting=OURS)


def issued(directory: Path, by: Authority, *, trusting: Authority, **more: Any) -> Config:
    """Settings whose files lie in a directory of their own."""
    directory.mkdir(exist_ok=True)
    certificate, key = by.issue(directory, "localhost", "127.0.0.1")
    return Config(
        search_port=0,
        tls_cert_file=certificate,
        tls_key_file=key,
        tls_ca_file=trusting.write(directory / "ca.crt"),
        **more,
    )


@asynccontextmanager
async def serving(config: Config) -> AsyncIterator[str]:
    server = await RoleServer.start(Role(RoleName.SEARCH), config, Metrics())
    try:
        yield server.address
    finally:
        await server.stop(0)


async def health(channel: grpc.aio.Channel) -> int:
    async with channel:
        return await ask(channel)


async def ask(channel: grpc.aio.Channel) -> int:
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    status: int = answer.status
    return status


def calling(config: Config, address: str) -> grpc.aio.Channel:
    return connect(config.at_address(RoleName.SEARCH, address), RoleName.SEARCH)


async def assert_unreachable(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await health(channel)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_roles_and_clients_get_through(config: Config) -> None:
    async with serving(config) as address:
        assert await health(calling(config, address)) == SERVING
        channels = Channels(1 << 20, tls=Tls.of(config))
        stub = health_pb2_grpc.HealthStub(channels.to(address))
        assert (await asyncio.to_thread(stub.Check, health_pb2.HealthCheckRequest(), timeout=5)).status == SERVING
        channels.close()


async def test_plain_text_does_not(config: Config) -> None:
    async with serving(config) as address:
        await assert_unreachable(grpc.aio.insecure_channel(address))


async def test_a_server_of_another_authority_is_not_believed(config: Config, tmp_path: Path) -> None:
    async with serving(config) as address:
        await assert_unreachable(calling(issued(tmp_path / "other", OURS, trusting=THEIRS), address))


async def test_nor_is_one_of_another_name(config: Config) -> None:
    async with serving(config) as address:
        await assert_unreachable(calling(config.model_copy(update={"tls_server_name": "elsewhere"}), address))
        assert await health(calling(config.model_copy(update={"tls_server_name": "localhost"}), address)) == SERVING


async def test_where_callers_need_a_certificate_only_those_with_a_good_one_get_through(
    config: Config, tmp_path: Path
) -> None:
    strict = config.model_copy(update={"tls_client_ca_file": config.tls_ca_file})
    async with serving(strict) as address:
        assert await health(calling(strict, address)) == SERVING
        none = config.model_copy(update={"tls_cert_file": None, "tls_key_file": None})
        await assert_unreachable(calling(none, address))
        await assert_unreachable(calling(issued(tmp_path / "other", THEIRS, trusting=OURS), address))


async def test_a_server_shows_its_new_certificate_without_a_restart(config: Config, tmp_path: Path) -> None:
    others = issued(tmp_path / "other", OURS, trusting=THEIRS)
    async with serving(config) as address:
        await assert_unreachable(calling(others, address))
        THEIRS.issue(tmp_path, "localhost", "127.0.0.1")
        assert await health(calling(others, address)) == SERVING
        (tmp_path / "tls.key").write_bytes(b"half of a replacement")
        assert await health(calling(others, address)) == SERVING


async def test_a_caller_shows_its_new_certificate_without_a_restart(config: Config, tmp_path: Path) -> None:
    now = [0.0]
    strict = config.model_copy(update={"tls_client_ca_file": config.tls_ca_file})
    theirs = issued(tmp_path / "caller", THEIRS, trusting=OURS)
    files = RenewedFiles(CertificateFiles.of_client(theirs), channel_credentials)
    async with serving(strict) as address:
        channel = RenewedChannel(files, lambda each: grpc.aio.secure_channel(address, each), clock=lambda: now[0])
        async with channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest()
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.Check(request, timeout=5)
            OURS.issue(tmp_path / "caller", "caller")
            now[0] += 11
            assert (await stub.Check(request, timeout=5)).status == SERVING


async def test_calls_in_progress_end_on_the_channel_that_they_began_on(config: Config, tmp_path: Path) -> None:
    now = [0.0]
    files = RenewedFiles(CertificateFiles.of_client(config), channel_credentials)
    async with serving(config) as address:
        channel = RenewedChannel(files, lambda each: grpc.aio.secure_channel(address, each), clock=lambda: now[0])
        async with channel:
            watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30)
            assert (await watching.read()).status == SERVING
            before = channel.current()
            OURS.issue(tmp_path, "localhost", "127.0.0.1")
            now[0] += 11
            assert await ask(channel) == SERVING
            assert channel.current() is not before
            assert not watching.done()
            watching.cancel()


async def test_a_channel_that_is_closed_ends_calls_on_those_before(config: Config, tmp_path: Path) -> None:
    now = [0.0]
    files = RenewedFiles(CertificateFiles.of_client(config), channel_credentials)
    async with serving(config) as address:
        channel = RenewedChannel(files, lambda each: grpc.aio.secure_channel(address, each), clock=lambda: now[0])
        watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30)
        assert (await watching.read()).status == SERVING
        OURS.issue(tmp_path, "localhost", "127.0.0.1")
        now[0] += 11
        assert await ask(channel) == SERVING
        await channel.close()
        assert await watching.code() is grpc.StatusCode.CANCELLED
