"""A start that takes the place of a process on the same files: it waits for the end of that one, and callers for it."""

import asyncio
from pathlib import Path

import grpc
import pytest
import structlog
from tests.integration.test_role_server import free_port

from attune.services.cli.system import WAITING, System, start_system
from attune.services.client import Addresses, Client
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, ConfigError, RoleName


def config_of(directory: Path, port: int, handover_s: float) -> Config:
    return Config(data_dir=directory, knowledge_port=port, metrics_port=free_port(), drain_s=10, handover_s=handover_s)


async def started(config: Config) -> System:
    system = await start_system(config, [RoleName.KNOWLEDGE], system_clock)
    system.metrics.serve(config.host, config.metrics_port)
    return system


async def waiting(config: Config) -> "asyncio.Task[System]":
    """A start that waits for the end of another process."""
    with structlog.testing.capture_logs() as logged:
        starting = asyncio.create_task(started(config))
        while not any(each["event"] == WAITING for each in logged):
            assert not starting.done(), starting.exception()
            await asyncio.sleep(0.001)
    levels = {each["log_level"] for each in logged if each["event"] == WAITING}
    assert levels == {"warning"}  # who has silenced what is told for information sees why the start goes on
    return starting


async def test_a_role_alone_is_replaced_and_no_call_of_who_waits_for_it_fails(tmp_path: Path) -> None:
    config = config_of(tmp_path, free_port(), handover_s=60)
    old = await started(config)
    client = Client(Addresses(knowledge=config.address(RoleName.KNOWLEDGE)), wait_for_ready=True, timeout_s=60)
    ended = asyncio.Event()
    answered = 0

    async def call_on() -> None:
        nonlocal answered
        while not ended.is_set():
            await asyncio.to_thread(client.profile, "ada")
            answered += 1

    callers = [asyncio.create_task(call_on()) for _ in range(4)]
    new = await waiting(config)
    await old.stop()
    replaced, before = await new, answered
    while answered < before + len(callers) and not any(each.done() for each in callers):  # noqa: ASYNC110 - counted
        await asyncio.sleep(0.001)
    ended.set()
    await asyncio.gather(*callers)
    client.close()
    await replaced.stop()


async def test_who_does_not_wait_is_told_that_nobody_is_there() -> None:
    with (
        Client(Addresses(knowledge=f"127.0.0.1:{free_port()}"), timeout_s=60) as client,
        pytest.raises(grpc.RpcError) as error,
    ):
        await asyncio.to_thread(client.profile, "ada")
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]


@pytest.mark.parametrize("handover_s", [0, 0.01])
async def test_it_is_refused_where_the_other_goes_on(tmp_path: Path, handover_s: float) -> None:
    first = await started(config_of(tmp_path, free_port(), 0))
    with pytest.raises(ConfigError, match="runs the knowledge role there"):
        await started(config_of(tmp_path, free_port(), handover_s))
    await first.stop()


async def test_a_start_that_is_broken_off_while_it_waits_holds_nothing(tmp_path: Path) -> None:
    first = await started(config_of(tmp_path, free_port(), 0))
    waits = await waiting(config_of(tmp_path, free_port(), handover_s=60))
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    await first.stop()
    await (await started(config_of(tmp_path, free_port(), 0))).stop()
