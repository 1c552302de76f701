"""A worker in a process of its own, started by this one and ended with it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from attune.embeddings.domains import DomainRegistry
from attune.embeddings.errors import WorkerLostError
from attune.embeddings.workers.child import Child
from attune.embeddings.workers.frames import FrameReceiver
from attune.embeddings.workers.messages import Outcome, Reload, Reloaded, Text, WorkerInfo, WorkerSettings

_MODULE = "attune.embeddings.workers.main"
_END_WITHIN_S = 5.0
_NOT_THERE = "the embedding worker died and is being started again: it will load the experts of now"


class WorkerProcess:
    """Loads a model in a child process. It ends when this process does, however that happens."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._child = Child(_MODULE)

    @property
    def pid(self) -> int | None:
        """The process id, once started."""
        return self._child.pid

    async def start(self, receive: Callable[[Outcome], None], lost: Callable[[], None]) -> WorkerInfo:
        """Start the process and wait until its model is loaded and warm. See `Worker.start`."""
        await self.close()
        ready: asyncio.Future[WorkerInfo] = asyncio.get_running_loop().create_future()
        await self._child.start(_Connection(ready, receive, lost))
        self._child.write(self._settings)
        try:
            return await ready
        except BaseException:
            await self._end(0)  # it may be busy loading
            raise

    def send(self, texts: Sequence[Text]) -> None:
        """Hand texts over. The connection keeps what the worker has not read yet."""
        self._child.write(texts)

    async def reload(self) -> DomainRegistry:
        """See `Worker.reload`."""
        if not isinstance(connection := self._child.protocol, _Connection):
            raise WorkerLostError(_NOT_THERE)
        reloaded = connection.next_reload()
        self._child.write(Reload())
        return await reloaded

    async def close(self) -> None:
        """Hang up, which ends the worker after its present batch, or kill it if that takes long."""
        await self._end(_END_WITHIN_S)

    async def _end(self, within_s: float) -> None:
        if isinstance(connection := self._child.protocol, _Connection):
            connection.forget()
        await self._child.end(within_s)


class _Connection(FrameReceiver):
    """The first answer says what was loaded, or why nothing could be; all others are outcomes."""

    def __init__(
        self, ready: asyncio.Future[WorkerInfo], receive: Callable[[Outcome], None], lost: Callable[[], None]
    ) -> None:
        super().__init__(self._first, self._hung_up)
        self._ready = ready
        self._outcome = receive
        self._reloads: deque[asyncio.Future[DomainRegistry]] = deque()
        self._tell_lost: Callable[[], None] | None = lost

    def forget(self) -> None:
        """The end is wanted: tell nobody."""
        self._tell_lost = None

    def next_reload(self) -> asyncio.Future[DomainRegistry]:
        """What the next answer to a `Reload` says; answers come in the order of the requests."""
        reloaded: asyncio.Future[DomainRegistry] = asyncio.get_running_loop().create_future()
        self._reloads.append(reloaded)
        return reloaded

    def _answer(self, answer: Any) -> None:
        if not isinstance(answer, Reloaded):
            self._outcome(answer)
            return
        reloaded = self._reloads.popleft()
        if reloaded.done():
            return
        if answer.domains is not None:
            reloaded.set_result(answer.domains)
        else:
            reloaded.set_exception(answer.error or WorkerLostError(_NOT_THERE))

    def _first(self, answer: Any) -> None:
        if self._ready.done():
            return
        if isinstance(answer, Exception):
            self._ready.set_exception(answer)
            return
        self._receive = self._answer
        self._ready.set_result(answer)

    def _hung_up(self) -> None:
        for reloaded in self._reloads:
            if not reloaded.done():
                reloaded.set_exception(WorkerLostError(_NOT_THERE))
        if not self._ready.done():
            reason = "the embedding worker ended while it loaded the model: its output above says why"
            self._ready.set_exception(WorkerLostError(reason))
        elif self._tell_lost is not None:
            self._tell_lost()
