"""Work that is carried to its end, whether or not its caller waits for it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import structlog

_log = structlog.get_logger("attune.knowledge")
Result = TypeVar("Result")


class Finisher:
    """Runs work in threads. Half of what a user wants gone or forbids would be none: a deadline that passes ends the
    waiting, and not the work.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()

    async def to_the_end(self, work: Callable[[], Result]) -> Result:
        """What the work returns or raises."""
        task = asyncio.create_task(asyncio.to_thread(work))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def finish(self) -> None:
        """Wait for what was begun."""
        if self._running:
            await asyncio.wait(self._running)

    def _ended(self, task: "asyncio.Task[object]") -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error:  # told here too, for there may be no caller left to hear it
            _log.error("a user's wish was not carried out wholly; asked for again, it goes on", exc_info=error)
