"""A role's server: what is left when its start is cancelled."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.ports import require_free_port
from attune.services.runtime.server import Role, RoleServer


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("steps", range(6))
async def test_a_start_that_is_cancelled_at_any_step_fails_nothing_and_leaves_nobody_listening(
    steps: int, tmp_path: Path
) -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    config = Config(data_dir=tmp_path, search_port=free_port())

    start = asyncio.ensure_future(RoleServer.start(Role(RoleName.SEARCH), config, Metrics()))
    for _ in range(steps):
        await asyncio.sleep(0)
    start.cancel()
    (outcome,) = await asyncio.gather(start, return_exceptions=True)

    if isinstance(outcome, RoleServer):  # it was up before
        await outcome.stop(0)
    else:
        assert isinstance(outcome, asyncio.CancelledError)
    del start, outcome
    await asyncio.sleep(0)
    assert failures == []
    require_free_port(config, RoleName.SEARCH)
