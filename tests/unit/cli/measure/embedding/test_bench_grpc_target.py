"""Requests to our service, as bytes over real gRPC."""

from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from google.rpc import status_pb2

from attune.embedding.v1 import embedding_pb2 as pb
from attune.embedding.v1.embedding_pb2_grpc import EmbeddingServiceServicer, add_EmbeddingServiceServicer_to_server
from attune.services.cli.measure.embedding.load.answers import Outcome
from attune.services.cli.measure.embedding.servers.grpc_target import GrpcTarget
from attune.services.cli.measure.errors import BenchError


class Servicer(EmbeddingServiceServicer):
    """Says a vector for each text; or the status that a text names."""

    async def Embed(self, request, context):  # noqa: N802 - gRPC names it
        text = request.inputs[0].text
        if text in grpc.StatusCode.__members__:
            await context.abort(grpc.StatusCode[text], "as asked")
        vectors = np.arange(2 * len(request.inputs), dtype="<f4")
        batch = pb.VectorBatch(data=vectors.tobytes(), dtype=pb.DATA_TYPE_FLOAT32, shape=(len(request.inputs), 2))
        return pb.EmbedResponse(vectors=batch, items=[pb.EmbeddedItem(row=0)] * len(request.inputs))


@pytest.fixture
async def target() -> AsyncIterator[GrpcTarget]:
    server = grpc.aio.server()
    add_EmbeddingServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield GrpcTarget(f"127.0.0.1:{port}")
    await server.stop(0)


async def test_texts_come_back_as_vectors(target: GrpcTarget) -> None:
    async with target.connect() as send:
        answer = await send(target.request(["a", "b"]), 5)
    assert answer.outcome is Outcome.ANSWERED
    np.testing.assert_array_equal(target.vectors(answer.payload), [[0, 1], [2, 3]])


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("RESOURCE_EXHAUSTED", Outcome.REFUSED),
        ("DEADLINE_EXCEEDED", Outcome.EXPIRED),
        ("UNAVAILABLE", Outcome.FAILED),
        ("INTERNAL", Outcome.FAILED),
    ],
)
async def test_a_status_is_an_outcome(target: GrpcTarget, code: str, outcome: Outcome) -> None:
    async with target.connect() as send:
        answer = await send(target.request([code]), 5)
    assert answer.outcome is outcome
    assert answer.payload == f"{code}: as asked".encode()


def test_a_text_without_a_vector_is_a_bug_of_the_bench() -> None:
    response = pb.EmbedResponse(items=[pb.EmbeddedItem(error=status_pb2.Status(message="the text is empty"))])
    with pytest.raises(BenchError, match="the text is empty"):
        GrpcTarget("nowhere").vectors(response.SerializeToString())
