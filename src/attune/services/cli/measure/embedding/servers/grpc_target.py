"""Requests to our embedding service, over gRPC."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
import numpy as np
from numpy.typing import NDArray

from attune.embedding.v1 import embedding_pb2 as pb
from attune.embeddings.vectors import from_bytes
from attune.services.cli.measure.embedding.load.answers import Answer, Outcome, Send
from attune.services.cli.measure.errors import BenchError

_METHOD = "/attune.embedding.v1.EmbeddingService/Embed"
_OUTCOMES = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: Outcome.REFUSED,
    grpc.StatusCode.DEADLINE_EXCEEDED: Outcome.EXPIRED,
}


class GrpcTarget:
    """Our service at an address, on one connection; messages are bytes here, written and read elsewhere."""

    def __init__(self, address: str) -> None:
        self._address = address

    def request(self, texts: Sequence[str]) -> bytes:
        """An EmbedRequest of the texts."""
        return pb.EmbedRequest(inputs=[pb.TextInput(text=text) for text in texts]).SerializeToString()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Send]:
        """A channel without retries: what the server refuses is counted as refused."""
        async with grpc.aio.insecure_channel(self._address, options=[("grpc.enable_retries", 0)]) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_METHOD)

            async def send(request: bytes, timeout_s: float) -> Answer:
                try:
                    return Answer(Outcome.ANSWERED, await call(request, timeout=timeout_s))
                except grpc.aio.AioRpcError as error:
                    details = f"{error.code().name}: {error.details()}"
                    return Answer(_OUTCOMES.get(error.code(), Outcome.FAILED), details.encode())

            yield send

    def vectors(self, payload: bytes) -> NDArray[np.float32]:
        """The vectors [n, d] of an EmbedResponse. Raises `BenchError` where a text has none."""
        response = pb.EmbedResponse.FromString(payload)
        for item in response.items:
            if item.HasField("error"):
                raise BenchError(
                    f"attune refused a text of the load ({item.error.message}): this is a bug of the bench"
                )
        rows, columns = response.vectors.shape
        return from_bytes(response.vectors.data, "float32", (rows, columns))
