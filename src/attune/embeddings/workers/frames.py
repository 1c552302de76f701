"""Objects over a stream of bytes: eight bytes of length, then the pickled object.

Pickle is safe here because both ends are this program: a worker inherits its socket, which nobody else can open.
"""

import asyncio
import pickle
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

_LENGTH = struct.Struct("!Q")


def encode_frame(value: object) -> bytes:
    """The object as a frame."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


def read_frame(stream: BinaryIO) -> Any:
    """The next object. Raises `EOFError` when the other end is gone."""
    return pickle.loads(_read(stream, _LENGTH.unpack(_read(stream, _LENGTH.size))[0]))  # noqa: S301 - see above


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the other process has closed the connection")
    return data


class FrameReceiver(asyncio.Protocol):
    """Hands each object that arrives to `receive`, and says `lost` once when the other end is gone."""

    def __init__(self, receive: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self._receive = receive
        self._lost = lost
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        """Collect bytes until frames are whole."""
        self._buffer += data
        while (end := self._frame_end()) is not None:
            with memoryview(self._buffer) as view:
                value = pickle.loads(view[_LENGTH.size : end])  # noqa: S301 - see above
            del self._buffer[:end]
            self._receive(value)

    def connection_lost(self, _error: Exception | None) -> None:
        """The other process has ended, or this one has closed the connection."""
        self._lost()

    def _frame_end(self) -> int | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        end = _LENGTH.size + int(_LENGTH.unpack_from(self._buffer)[0])
        return end if len(self._buffer) >= end else None
