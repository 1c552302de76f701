"""A system in a thread of its own, so that a command can run it and call it in one process."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from attune.services.cli.system import System, start_system
from attune.services.runtime.clock import Clock
from attune.services.runtime.config import Config, RoleName


@contextmanager
def running_system(
    config: Config, clock: Clock, starting: Callable[[RoleName], None] = lambda _role: None
) -> Iterator[System]:
    """All roles, up inside the `with` block and gone after it. Raises what start_system raises."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="attune-system", daemon=True)
    thread.start()
    try:
        started: Future[System] = asyncio.run_coroutine_threadsafe(
            start_system(config, list(RoleName), clock, starting), loop
        )
        system = started.result()
        try:
            yield system
        finally:
            asyncio.run_coroutine_threadsafe(system.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
