"""Probes on a port of their own: what they are told of each role, of all of them, and of the process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.health_port import LIVENESS, HealthPort
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.server import Role, RoleServer

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
Status = health_pb2.HealthCheckResponse.ServingStatus


class FixedRole:
    """A role as able as a test says."""

    def __init__(self, able: Mapping[str, bool]) -> None:
        self._able = able

    def is_able(self, name: str) -> bool | None:
        return self._able.get(name)


@asynccontextmanager
async def asking(port: HealthPort | None) -> AsyncIterator[health_pb2_grpc.HealthStub]:
    assert port is not None
    async with grpc.aio.insecure_channel(port.address) as channel:
        yield health_pb2_grpc.HealthStub(channel)
    await port.stop()


async def asked(stub: health_pb2_grpc.HealthStub, service: str) -> "Status.ValueType":
    answer: health_pb2.HealthCheckResponse = await stub.Check(
        health_pb2.HealthCheckRequest(service=service), timeout=30
    )
    return answer.status


async def test_a_name_is_served_where_every_role_that_has_it_serves_it() -> None:
    roles = [FixedRole({"": True, "a": True}), FixedRole({"": False, "b": False})]
    async with asking(await HealthPort.start(Config(health_port=0), roles)) as stub:
        assert [await asked(stub, name) for name in ("a", "b", "")] == [SERVING, NOT_SERVING, NOT_SERVING]
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await asked(stub, "c")
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_process_whose_role_cannot_answer_is_alive() -> None:
    async with asking(await HealthPort.start(Config(health_port=0), [FixedRole({"": False})])) as stub:
        assert await asked(stub, LIVENESS) == SERVING


async def test_a_role_is_able_until_it_stops(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path, search_port=0, health_port=0)
    role = Role(RoleName.SEARCH, ("attune.search.v1.SearchService",), watched=("documents",))
    server = await RoleServer.start(role, config, Metrics())
    async with asking(await HealthPort.start(config, [server])) as stub:
        server.report(able=False)
        assert await asked(stub, "documents") == NOT_SERVING
        assert await asked(stub, "attune.search.v1.SearchService") == SERVING
        await server.stop(0)
        assert await asked(stub, "attune.search.v1.SearchService") == NOT_SERVING
        assert await asked(stub, LIVENESS) == SERVING


async def test_there_is_none_unless_it_is_configured_and_a_taken_port_is_refused() -> None:
    assert await HealthPort.start(Config(), []) is None
    first = await HealthPort.start(Config(health_port=0), [])
    assert first is not None
    taken = int(first.address.rpartition(":")[2])
    with pytest.raises(ConfigError, match="ATTUNE_HEALTH_PORT"):
        await HealthPort.start(Config(health_port=taken), [])
    await first.stop()
