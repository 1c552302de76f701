"""A worker in a process of its own, started by this one and ended with it."""

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from attune.embeddings.domains import DomainRegistry
from attune.embeddings.errors import WorkerLostError
from attune.embeddings.workers.frames import FrameReceiver, encode_frame
from attune.embeddings.workers.messages import Outcome, Reload, Reloaded, Text, WorkerInfo, WorkerSettings

_COMMAND = (sys.executable, "-P", "-m", "attune.embeddings.workers.main")
# Threads that wait for each other sleep instead of spinning: the cores also serve the requests.
_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}
_END_WITHIN_S = 5.0
_STANDARD_ERROR = 2
_NOT_THERE = "the embedding worker died and is being started again: it will load the experts of now"


class WorkerProcess:
    """Loads a model in a child process. It ends when this process does, however that happens."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.WriteTransport | None = None

    @property
    def pid(self) -> int | None:
        """The process id, once started."""
        return None if self._process is None else self._process.pid

    async def start(self, receive: Callable[[Outcome], None], lost: Callable[[], None]) -> WorkerInfo:
        """Start the process and wait until its model is loaded and warm. See `Worker.start`."""
        await self.close()
        ready: asyncio.Future[WorkerInfo] = asyncio.get_running_loop().create_future()
        await self._spawn(_Connection(ready, receive, lost))
        self._write(self._settings)
        try:
            return await ready
        except BaseException:
            await self._end(0)  # it may be busy loading
            raise

    def send(self, texts: Sequence[Text]) -> None:
        """Hand texts over. The connection keeps what the worker has not read yet."""
        self._write(texts)

    async def reload(self) -> DomainRegistry:
        """See `Worker.reload`."""
        if self._transport is None or not isinstance(connection := self._transport.get_protocol(), _Connection):
            raise WorkerLostError(_NOT_THERE)
        reloaded = connection.next_reload()
        self._write(Reload())
        return await reloaded

    async def close(self) -> None:
        """Hang up, which ends the worker after its present batch, or kill it if that takes long."""
        await self._end(_END_WITHIN_S)

    async def _end(self, within_s: float) -> None:
        if self._process is None or self._transport is None:
            return
        process, transport = self._process, self._transport
        self._process = self._transport = None
        receiver = transport.get_protocol()
        if isinstance(receiver, _Connection):
            receiver.forget()
        transport.close()
        try:
            await asyncio.wait_for(process.wait(), within_s)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _spawn(self, connection: "_Connection") -> None:
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(*_COMMAND, str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=_STANDARD_ERROR,  # this process's own output may be read by a program
                env={**_ENVIRONMENT, **os.environ},
                start_new_session=True,  # Ctrl-C is for this process, which lets the calls in flight end first
            )
        except BaseException:
            ours.close()  # which ends the process, if there is one already
            raise
        finally:
            theirs.close()
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: connection, sock=ours)
        self._transport = transport

    def _write(self, value: object) -> None:
        if self._transport is not None:
            self._transport.write(encode_frame(value))


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
