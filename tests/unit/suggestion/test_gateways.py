"""What suggestion does where search or embedding hangs, fails or is overloaded."""

import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from attune.knowledge.v1.context_pb2 import Context
from attune.search.v1 import search_pb2 as search
from attune.services.runtime.call import Call, enter_call
from attune.services.suggestion.gateways.embedding import EmbeddingGateway
from attune.services.suggestion.gateways.knowledge import Acquainted, KnowledgeGateway
from attune.services.suggestion.gateways.search import SearchGateway


class Stub:
    """Stands where a service's stub does: notes how long it was given, and fails."""

    def __init__(self, code: grpc.StatusCode, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.timeouts: list[float] = []
        self._code = code
        self._meanwhile = meanwhile

    async def Search(self, _request: object, timeout: float, **_: Any) -> search.SearchResponse:  # noqa: N802, ASYNC109
        self.timeouts.append(timeout)
        self._meanwhile()
        raise grpc.aio.AioRpcError(self._code, grpc.aio.Metadata(), grpc.aio.Metadata(), "too long")

    Embed = Search


@pytest.fixture
async def channel():
    """To where nobody answers."""
    async with grpc.aio.insecure_channel("127.0.0.1:9") as nobody:
        yield nobody


@pytest.fixture
def gateway(channel: grpc.aio.Channel) -> SearchGateway:
    return SearchGateway(channel, patience_s=1.5)


def within(seconds: float) -> None:
    enter_call(Call("test", "default", time.monotonic() + seconds))


@pytest.mark.parametrize(
    ("code", "because"),
    [
        (grpc.StatusCode.UNAVAILABLE, "is unavailable"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "did not answer in time"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "is overloaded"),
        (grpc.StatusCode.CANCELLED, "was about to end"),
        (grpc.StatusCode.INVALID_ARGUMENT, "refused the query (too long)"),
    ],
)
async def test_search_can_be_done_without(gateway: SearchGateway, code: grpc.StatusCode, because: str) -> None:
    within(30)
    gateway._stub = Stub(code)
    retrieved = await gateway.retrieved("ada", "tasks", Context())
    assert because in retrieved.notice
    assert list(retrieved.titles) == []


@pytest.mark.parametrize(("left_s", "budget_s"), [(30, 1.5), (1, 0.5)])
async def test_search_that_hangs_leaves_time_for_the_rest(
    gateway: SearchGateway, left_s: float, budget_s: float
) -> None:
    within(left_s)
    gateway._stub = Stub(grpc.StatusCode.DEADLINE_EXCEEDED)
    await gateway.retrieved("ada", "tasks", Context())
    assert gateway._stub.timeouts == [pytest.approx(budget_s, abs=0.1)]


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.PERMISSION_DENIED])
async def test_another_error_of_search_is_not_hidden(gateway: SearchGateway, code: grpc.StatusCode) -> None:
    within(30)
    gateway._stub = Stub(code)
    with pytest.raises(grpc.aio.AioRpcError):
        await gateway.retrieved("ada", "tasks", Context())


async def test_without_time_left_there_is_nothing_to_go_on_with(gateway: SearchGateway) -> None:
    within(30)
    gateway._stub = Stub(grpc.StatusCode.DEADLINE_EXCEEDED, meanwhile=lambda: within(0))
    with pytest.raises(grpc.aio.AioRpcError):
        await gateway.retrieved("ada", "tasks", Context())


async def test_documents_without_entities_are_nothing_to_ask_for(channel: grpc.aio.Channel) -> None:
    within(30)
    assert await KnowledgeGateway(channel).entities_of_documents("ada", []) == Acquainted()  # where nobody would answer


@pytest.mark.parametrize("code", list(grpc.StatusCode)[1:])
async def test_embedding_can_be_done_without_whatever_it_says(channel: grpc.aio.Channel, code: grpc.StatusCode) -> None:
    within(30)
    gateway = EmbeddingGateway(channel, patience_s=1.0)
    gateway._stub = Stub(code)
    assert await gateway.vectors(["tasks"]) is None
    assert gateway._stub.timeouts == [pytest.approx(1.0, abs=0.1)]
