"""The client's parts that need no server: events, addresses, channels."""

from datetime import UTC, datetime, timedelta, timezone

import grpc
import pytest

from attune.events.v1.events_pb2 import EVENT_TYPE_DWELL, EventType
from attune.services.client import Client, interaction
from attune.services.client.channels import Addresses, Channels
from attune.services.runtime.config import Config

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
KINDS = [name.removeprefix("EVENT_TYPE_").lower() for name in EventType.keys()[1:]]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_event_goes_by_its_short_name(kind: str) -> None:
    event = interaction("ada", kind, NOW, query="q", object_id="o")
    assert EventType.Name(event.type) == f"EVENT_TYPE_{kind.upper()}"
    assert (event.user_id, event.user_query, event.object_id) == ("ada", "q", "o")


@pytest.mark.parametrize("kind", ["", "dance", "event_type_query"])
def test_there_is_no_other_kind(kind: str) -> None:
    with pytest.raises(ValueError, match="EVENT_TYPE_"):
        interaction("ada", kind, NOW)


def test_an_id_is_made_where_none_is_given_and_is_its_own() -> None:
    made = {interaction("ada", "query", NOW).event_id for _ in range(100)}
    assert len(made) == 100
    assert "" not in made
    assert interaction("ada", "query", NOW, event_id="mine").event_id == "mine"


def test_zero_is_a_value_and_nothing_is_none() -> None:
    event = interaction("ada", "dwell", NOW, object_id="o", dwell_ms=0)
    assert event.type == EVENT_TYPE_DWELL
    assert event.HasField("dwell_ms")
    assert not event.HasField("position")


def test_the_time_is_utc_whatever_the_callers_zone() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-5)))
    assert interaction("ada", "query", elsewhere).occurred_at.ToDatetime(UTC) == NOW


def test_addresses_are_those_of_the_configuration() -> None:
    config = Config(host="127.0.0.1", knowledge_port=7, search_address="search.example:443")
    addresses = Addresses.of(config)
    assert (addresses.knowledge, addresses.search) == ("127.0.0.1:7", "search.example:443")


def test_services_at_one_address_share_a_channel() -> None:
    channels = Channels(1 << 20)
    first = channels.to("127.0.0.1:1")
    assert channels.to("127.0.0.1:1") is first
    assert channels.to("127.0.0.1:2") is not first
    channels.close()
    channels.close()
    assert channels.to("127.0.0.1:1") is not first
    channels.close()


def test_nobody_there_is_unavailable_within_the_timeout() -> None:
    with Client(Addresses(knowledge="127.0.0.1:9"), timeout_s=5) as client, pytest.raises(grpc.RpcError) as failed:
        client.profile("ada")
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]


def test_a_closed_client_cannot_be_used() -> None:
    with Client() as client:
        pass
    with pytest.raises(ValueError, match="closed"):
        client.profile("ada")


def test_a_string_is_no_list_of_texts():
    with Client() as client, pytest.raises(TypeError, match="give a list of texts"):
        client.embed("hello")
