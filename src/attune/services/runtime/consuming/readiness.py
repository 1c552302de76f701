"""Whether records are applied now, and if not, why: for health checks, metrics and the log."""

import asyncio
import threading
from collections.abc import Callable
from enum import StrEnum

import structlog

from attune.services.runtime.consuming.metrics import ConsumingMetrics

_log = structlog.get_logger("attune.consuming")


class Reason(StrEnum):
    """Why records are not applied."""

    FAILING = "failing"  # the state or the log refuses; the worker tries again
    STOPPED = "stopped"  # something that trying again does not mend


class Readiness:
    """Ready until told otherwise. Any thread may tell; who watches is told of changes by the thread that does."""

    def __init__(self, metrics: ConsumingMetrics, trouble: str) -> None:
        """`trouble` says in the log what it means not to be ready, such as "events do not reach the store"."""
        self._metrics = metrics
        self._trouble = trouble
        self._changing = threading.Lock()
        self._reason: Reason | None = None
        self._tell: Callable[[bool], None] = lambda _able: None

    @property
    def reason(self) -> Reason | None:
        """None while ready."""
        return self._reason

    def watch(self, tell: Callable[[bool], None]) -> None:
        """Call `tell` with each change, and now, if it is not ready."""
        with self._changing:
            self._tell = tell
            if self._reason is not None:
                tell(False)

    def watch_on(self, loop: asyncio.AbstractEventLoop, tell: Callable[[bool], None]) -> None:
        """The same, with `tell` called on a loop, whatever thread tells."""

        def on_loop(able: bool) -> None:
            loop.call_soon_threadsafe(tell, able)

        self.watch(on_loop)

    def set(self, reason: Reason | None, why: str = "") -> None:
        """Ready, with None; else not, and `why` in a sentence."""
        with self._changing:
            if reason == self._reason:
                return
            before, self._reason = self._reason, reason
            if before is not None:
                self._metrics.not_ready.remove(before)
            if reason is not None:
                self._metrics.not_ready.labels(reason).set(1)
                _log.error(self._trouble, reason=reason, why=why)
            self._tell(reason is None)
