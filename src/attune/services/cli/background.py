"""A system in a thread of its own, so that a command can run it and call it in one process."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from attune.services.cli.system import System, start_system
from attune.services.runtime.clock import Clock
from attune.services.runtime.config import Config, RoleName

_END_WITHIN_S = 20


def on_free_ports(config: Config, directory: Path) -> Config:
    """The same settings for a system that keeps its files in `directory` and disturbs no other on this machine."""
    ports = {f"{role}_port": 0 for role in RoleName} | {"metrics_port": -1, "health_port": -1}
    return config.model_copy(update={"data_dir": directory, "catalog_path": None, "drain_s": 2, **ports})


async def _others_ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=_END_WITHIN_S / 2)


@contextmanager
def running_system(
    config: Config,
    clock: Clock,
    starting: Callable[[RoleName], None] = lambda _role: None,
    roles: Sequence[RoleName] = tuple(RoleName),
) -> Iterator[System]:
    """Roles, up inside the `with` block and gone after it; all of them by default. Raises what start_system raises."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="attune-system", daemon=True)
    thread.start()
    try:
        started: Future[System] = asyncio.run_coroutine_threadsafe(start_system(config, roles, clock, starting), loop)
        try:
            system = started.result()
        except BaseException:  # Ctrl-C too: what was started is stopped before the loop is
            started.cancel()
            asyncio.run_coroutine_threadsafe(_others_ended(), loop).result(_END_WITHIN_S)
            raise
        try:
            yield system
        finally:
            asyncio.run_coroutine_threadsafe(system.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
