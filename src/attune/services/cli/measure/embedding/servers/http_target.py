"""Requests to a server that speaks OpenAI's embeddings API over HTTP/1.1, on connections that are kept.

Written over asyncio's streams, because a general HTTP client takes several times the processor time, which the server
under load would lack.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import numpy as np
from numpy.typing import NDArray

from attune.services.cli.measure.embedding.load.answers import Answer, Outcome, Send
from attune.services.cli.measure.errors import BenchError

_OUTCOMES = {200: Outcome.ANSWERED, 429: Outcome.REFUSED, 503: Outcome.REFUSED}
_LENGTH = b"content-length:"


class HttpTarget:
    """POST /embeddings of a server on this machine."""

    def __init__(self, port: int, model: str) -> None:
        self._port = port
        self._model = model

    def request(self, texts: Sequence[str]) -> bytes:
        """A whole HTTP request. It asks for base64, as OpenAI's own client does: cheaper for both sides than digits."""
        body = json.dumps({"model": self._model, "input": list(texts), "encoding_format": "base64"}).encode()
        head = (
            f"POST /embeddings HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Send]:
        """As many connections as there are requests in flight at once."""
        pool = _Pool(self._port)
        try:
            yield pool.send
        finally:
            await pool.close()

    def vectors(self, payload: bytes) -> NDArray[np.float32]:
        """The vectors [n, d] of an answer."""
        entries = sorted(json.loads(payload)["data"], key=lambda entry: int(entry["index"]))
        return np.stack([np.frombuffer(base64.b64decode(entry["embedding"]), "<f4") for entry in entries])


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> Answer:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        payload = await self._reader.readexactly(content_length(head))
        return Answer(_OUTCOMES.get(status_of(head), Outcome.FAILED), payload)

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


class _Pool:
    """Connections that wait for their next request; the one used last goes first."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []

    async def send(self, request: bytes, timeout_s: float) -> Answer:
        try:
            connection = self._idle.pop() if self._idle else await self._opened()
        except OSError as error:
            return Answer(Outcome.FAILED, str(error).encode())
        try:
            async with asyncio.timeout(timeout_s):
                answer = await connection.ask(request)
        except TimeoutError:
            await connection.close()
            return Answer(Outcome.EXPIRED, b"")
        except (OSError, asyncio.IncompleteReadError) as error:
            await connection.close()
            return Answer(Outcome.FAILED, str(error).encode())
        self._idle.append(connection)
        return answer

    async def _opened(self) -> _Connection:
        return _Connection(*await asyncio.open_connection("127.0.0.1", self._port))

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()


def status_of(head: bytes) -> int:
    """The status of a response, from its head."""
    return int(head.split(None, 2)[1])


def content_length(head: bytes) -> int:
    """The length of a response's body in bytes, from its head. Raises `BenchError` where it does not say."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(_LENGTH):
            return int(line.removeprefix(_LENGTH))
    raise BenchError("the peer sends no Content-Length: the bench cannot read its answers")
