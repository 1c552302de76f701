"""Requests to a peer over HTTP, on connections that are kept."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from attune.services.cli.measure.embedding.load.answers import Outcome
from attune.services.cli.measure.embedding.servers.http_target import HttpTarget, content_length, status_of
from attune.services.cli.measure.errors import BenchError


@dataclass
class Peer:
    """An HTTP server that answers with what the first text asks for."""

    port: int = 0
    connections: int = 0
    bodies: list[dict[str, object]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = json.loads(await reader.readexactly(content_length(head)))
                self.bodies.append(body)
                await self._answer(str(body["input"][0]), len(body["input"]), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, word: str, count: int, writer: asyncio.StreamWriter) -> None:
        if word == "hang up":
            raise ConnectionResetError
        if word == "never":
            return
        status = word if word.isdigit() else "200 OK"
        vectors = [np.full(3, row, "<f4") for row in range(count)]
        entries = [{"index": row, "embedding": base64.b64encode(vector).decode()} for row, vector in enumerate(vectors)]
        payload = json.dumps({"data": entries[::-1]}).encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(payload)}\r\n\r\n".encode() + payload)
        await writer.drain()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    made = Peer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


async def test_texts_come_back_as_vectors_in_their_order(peer: Peer) -> None:
    target = HttpTarget(peer.port, "model")
    async with target.connect() as send:
        answer = await send(target.request(["ünï", "b"]), 5)
    assert answer.outcome is Outcome.ANSWERED
    np.testing.assert_array_equal(target.vectors(answer.payload), [[0, 0, 0], [1, 1, 1]])
    assert peer.bodies == [{"model": "model", "input": ["ünï", "b"], "encoding_format": "base64"}]


async def test_a_connection_is_used_again_and_another_opened_only_when_needed(peer: Peer) -> None:
    target = HttpTarget(peer.port, "model")
    async with target.connect() as send:
        for _ in range(3):
            await send(target.request(["a"]), 5)
        assert peer.connections == 1
        await asyncio.gather(*(send(target.request(["a"]), 5) for _ in range(4)))
    assert peer.connections == 4


@pytest.mark.parametrize(
    ("word", "outcome"),
    [("429", Outcome.REFUSED), ("503", Outcome.REFUSED), ("500", Outcome.FAILED), ("hang up", Outcome.FAILED)],
)
async def test_a_status_is_an_outcome(peer: Peer, word: str, outcome: Outcome) -> None:
    target = HttpTarget(peer.port, "model")
    async with target.connect() as send:
        assert (await send(target.request([word]), 5)).outcome is outcome
        assert (await send(target.request(["a"]), 5)).outcome is Outcome.ANSWERED


async def test_after_the_timeout_the_connection_is_given_up(peer: Peer) -> None:
    target = HttpTarget(peer.port, "model")
    async with target.connect() as send:
        assert (await send(target.request(["never"]), 0.02)).outcome is Outcome.EXPIRED
        assert (await send(target.request(["a"]), 5)).outcome is Outcome.ANSWERED
    assert peer.connections == 2


async def test_a_peer_that_is_not_there_is_a_failure() -> None:
    async with HttpTarget(1, "model").connect() as send:
        assert (await send(b"", 1)).outcome is Outcome.FAILED


def test_heads_are_read_whatever_their_letters_case() -> None:
    head = b"HTTP/1.1 429 Too Many\r\nserver: x\r\nCONTENT-Length:  12\r\n\r\n"
    assert (status_of(head), content_length(head)) == (429, 12)


def test_an_answer_of_unknown_length_is_refused() -> None:
    with pytest.raises(BenchError, match="no Content-Length"):
        content_length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
