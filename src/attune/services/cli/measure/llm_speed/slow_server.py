"""A language model's server that takes a given time, whatever it is asked: all else is the time of who asks."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

_PIECE = 12


class SlowServer:
    """Answers with suggestions, whole after `seconds`, or streamed evenly over them."""

    def __init__(self, seconds: float, suggestions: int) -> None:
        listed = [{"query": f"query {at}", "rationale": f"reason {at}", "entities": []} for at in range(suggestions)]
        self._seconds = seconds
        self._text = json.dumps({"suggestions": listed})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Its base URL, while it runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        async with server:
            port = server.sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                (length,) = (
                    int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
                )
                request = json.loads(await reader.readexactly(length))
                await (self._stream(writer) if request.get("stream") else self._whole(writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the caller is done, or the measurement
        finally:
            writer.close()

    async def _whole(self, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self._seconds)
        choice = {"index": 0, "message": {"role": "assistant", "content": self._text}, "finish_reason": "stop"}
        body = _object("chat.completion", [choice])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await writer.drain()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        pieces: Sequence[str] = [self._text[at : at + _PIECE] for at in range(0, len(self._text), _PIECE)]
        for piece in pieces:
            await asyncio.sleep(self._seconds / len(pieces))
            await _event(writer, _object("chat.completion.chunk", [{"index": 0, "delta": {"content": piece}}]))
        await _event(writer, b"[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _event(writer: asyncio.StreamWriter, data: bytes) -> None:
    event = b"data: " + data + b"\n\n"
    writer.write(b"%x\r\n" % len(event) + event + b"\r\n")
    await writer.drain()


def _object(kind: str, choices: list[object]) -> bytes:
    usage = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
    return json.dumps(
        {"id": "1", "object": kind, "created": 0, "model": "slow", "choices": choices, "usage": usage}
    ).encode()
