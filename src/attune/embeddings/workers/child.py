"""A child process of this program that is talked to in frames, and ends when this process does."""

import asyncio
import os
import socket
import sys
from contextlib import suppress

from attune.embeddings.workers.frames import FrameReceiver, encode_frame

# Threads that wait for each other sleep instead of spinning: the cores also serve the requests.
_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}
_STANDARD_ERROR = 2


class Child:
    """Runs a module of this program, whose argument is the descriptor of the socket that it is talked to by."""

    def __init__(self, module: str) -> None:
        self._command = (sys.executable, "-P", "-m", module)
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.WriteTransport | None = None

    @property
    def pid(self) -> int | None:
        """The process id, once started."""
        return None if self._process is None else self._process.pid

    @property
    def protocol(self) -> object:
        """What hears it; None where it is not there."""
        return None if self._transport is None else self._transport.get_protocol()

    async def start(self, protocol: FrameReceiver) -> None:
        """Start it; `protocol` gets what it says."""
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(*self._command, str(theirs.fileno())),
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
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: protocol, sock=ours)
        self._transport = transport

    def write(self, value: object) -> None:
        """Say something to it; does not block. Where it is not there, nobody hears it."""
        if self._transport is not None:
            self._transport.write(encode_frame(value))

    async def end(self, within_s: float) -> None:
        """Hang up, which ends it after what it is at, or kill it if that takes longer."""
        if self._process is None or self._transport is None:
            return
        process, transport = self._process, self._transport
        self._process = self._transport = None
        transport.close()
        try:
            await asyncio.wait_for(process.wait(), within_s)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
