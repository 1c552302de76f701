"""Whether the knowledge store can be reached: for health checks, and for calls that would else wait for it in vain."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from attune.knowledge_store.store import Store
from attune.services.runtime.errors import store_unavailable
from attune.services.runtime.events import TOPIC

_log = structlog.get_logger("attune.knowledge")
_PAUSE_S = 2.0
_PATIENCE_S = 5.0
"""A store that does not answer a question of one row for so long is as good as away."""


class StoreWatch:
    """Asks the store for one position, again and again, in a thread of its own: the others may all be waiting for it.

    Reachable until it is seen not to be. Everything but the question happens on the event loop.
    """

    def __init__(self, store: Store, *, pause_s: float = _PAUSE_S, patience_s: float = _PATIENCE_S) -> None:
        self._store = store
        self._pause_s = pause_s
        self._patience_s = patience_s
        self._is_reachable = True
        self._tell: Callable[[bool], None] = lambda _able: None
        self._thread = ThreadPoolExecutor(1, "attune-store-watch")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask. To be called on the event loop."""
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Ask no more. A question that the store has not answered is not waited for."""
        if self._task:
            self._task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def watch(self, tell: Callable[[bool], None]) -> None:
        """Call `tell` with each change, and now, if the store cannot be reached."""
        self._tell = tell
        if not self._is_reachable:
            tell(False)

    def require_reachable(self) -> None:
        """Raises ServiceError (UNAVAILABLE) at once where the store was out of reach when it was last asked."""
        if not self._is_reachable:
            raise store_unavailable()

    async def _run(self) -> None:
        while True:
            await self._ask()
            await asyncio.sleep(self._pause_s)

    async def _ask(self) -> None:
        asked = asyncio.get_running_loop().run_in_executor(self._thread, self._store.position, TOPIC, 0)
        if not (await asyncio.wait([asked], timeout=self._patience_s))[0]:
            self._set(reachable=False, why=f"no answer within {self._patience_s:g} s")
        try:
            await asked
        except Exception as error:  # noqa: BLE001 - whatever it is, the store does not answer
            self._set(reachable=False, why=str(error))
        else:
            self._set(reachable=True)

    def _set(self, *, reachable: bool, why: str = "") -> None:
        if reachable == self._is_reachable:
            return
        self._is_reachable = reachable
        if not reachable:
            _log.error("the knowledge store cannot be reached", why=why)
        self._tell(reachable)
