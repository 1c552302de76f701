"""Searches in the client: what is asked for, and what is left to the service."""

from typing import Any

from attune.search.v1 import search_pb2 as pb
from attune.services.client import Client


class Service:
    """Stands where the stub does."""

    def __init__(self) -> None:
        self.asked = pb.SearchRequest()

    def Search(self, request: pb.SearchRequest, **_options: Any) -> pb.SearchResponse:  # noqa: N802 - as the stub
        self.asked = request
        return pb.SearchResponse()


def test_boosts_have_their_weights_and_the_cross_encoder_its_number() -> None:
    with Client() as client:
        service = Service()
        client._search = service  # type: ignore[assignment]
        client.search("tea", boosts={"fresh": None, "popular": 0.0}, cross_encoder_candidates=0)
    assert [(each.name, each.HasField("weight"), each.weight) for each in service.asked.boosts] == [
        ("fresh", False, 0.0),
        ("popular", True, 0.0),
    ]
    assert service.asked.HasField("cross_encoder_candidates")


def test_what_is_not_said_is_left_to_the_service() -> None:
    with Client() as client:
        service = Service()
        client._search = service  # type: ignore[assignment]
        client.search("tea")
    assert list(service.asked.boosts) == []
    assert not service.asked.HasField("cross_encoder_candidates")
