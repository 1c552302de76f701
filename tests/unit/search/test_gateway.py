"""How often search asks the embedding service for its experts, and what it says where that does not answer."""

import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.services.runtime.call import Call, enter_call
from attune.services.runtime.config import ConfigError
from attune.services.search.gateway import Expert, Gateway

A_DAY_S = 86_400.0


class Stub:
    """Stands where the embedding service's stub does: it has experts of a version, and counts how often it is asked."""

    def __init__(self) -> None:
        self.version = "1"
        self.asked = 0

    async def GetModelInfo(self, _request: object, **_: Any) -> embedding.GetModelInfoResponse:  # noqa: N802
        nothing = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.DEADLINE_EXCEEDED, nothing, nothing, "Deadline Exceeded")

    async def ListDomains(self, _request: object, **_: Any) -> embedding.ListDomainsResponse:  # noqa: N802
        self.asked += 1
        law = embedding.Domain(domain="law", expert="lora", version=self.version)
        return embedding.ListDomainsResponse(domains=[law])


@pytest.fixture
def stub() -> Stub:
    enter_call(Call("test", "default", time.monotonic() + A_DAY_S))
    return Stub()


@pytest.fixture
async def gateway(stub: Stub) -> AsyncIterator[Gateway]:
    """Its channels lead to where nobody answers."""
    channels = [grpc.aio.insecure_channel("127.0.0.1:9") for _ in range(2)]
    made = Gateway(*channels)
    made._embedding = stub  # type: ignore[assignment]
    yield made
    await made.close()


async def test_experts_are_asked_for_once_while_they_are_young_enough(gateway: Gateway, stub: Stub) -> None:
    assert await gateway.experts(A_DAY_S) == await gateway.experts(A_DAY_S) == {"law": Expert("law@1")}
    assert stub.asked == 1


async def test_who_needs_them_as_they_are_asks_and_others_know_then(gateway: Gateway, stub: Stub) -> None:
    await gateway.experts(A_DAY_S)
    stub.version = "2"
    assert await gateway.experts() == await gateway.experts(A_DAY_S) == {"law": Expert("law@2")}
    assert stub.asked == 2


async def test_experts_that_are_too_old_are_asked_for_again(gateway: Gateway, stub: Stub) -> None:
    await gateway.experts(A_DAY_S)
    gateway._listed_at -= 2 * A_DAY_S
    stub.version = "2"
    assert await gateway.experts(A_DAY_S) == {"law": Expert("law@2")}


@pytest.mark.parametrize("setting", ["EMBEDDING_ADDRESS", "TLS_CERT_FILE", "TLS_CA_FILE", "SERVICE_TOKEN"])
async def test_a_service_that_does_not_tell_its_model_is_told_with_what_may_be_wrong(
    gateway: Gateway, setting: str
) -> None:
    with pytest.raises(ConfigError, match=rf"DEADLINE_EXCEEDED.*ATTUNE_{setting}"):
        await gateway.model()
