"""A role in a process of its own: ingest over the files of another, suggestion over the others' addresses."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.e2e.conftest import config_in, record_visibly, wait_until
from tests.e2e.material import QUERY, reading
from tests.e2e.process import Running, up

from attune.services.cli.background import running_system
from attune.services.cli.system import System
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName

pytestmark = pytest.mark.e2e


def is_healthy(address: str, service: str = "") -> bool:
    with grpc.insecure_channel(address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def stop(running: Running) -> None:
    running.ask_to_stop()
    assert running.exit_status() == 0


class TestIngest:
    """The knowledge role takes events in; nothing shows in the store but through ingest."""

    @pytest.fixture
    def knowledge(self, tmp_path: Path) -> Iterator[Client]:
        with (
            running_system(config_in(tmp_path), system_clock, roles=[RoleName.KNOWLEDGE]) as system,
            Client(Addresses.of(system.config), timeout_s=30) as client,
        ):
            yield client

    def test_it_applies_what_lies_in_the_log_and_goes_on_where_another_stopped(
        self, tmp_path: Path, knowledge: Client
    ) -> None:
        sent = knowledge.record(reading("ada", "asyncio.gather", "asyncio.Queue"))
        assert knowledge.profile("ada").applied_offset < sent.log_end_offset
        with up(tmp_path, "--role", "ingest") as first:
            assert set(first.announced["roles"]) == {"ingest"}
            assert is_healthy(first.announced["roles"]["ingest"])
            wait_until(lambda: knowledge.profile("ada").events == 2)
            stop(first)
        knowledge.record(reading("bea", "multiprocessing.Pool"))
        assert knowledge.profile("bea").events == 0
        with up(tmp_path, "--role", "ingest") as second:
            wait_until(lambda: knowledge.profile("bea").events == 1)
            stop(second)
        assert knowledge.profile("ada").events == 2


class TestSuggestion:
    """It keeps nothing: all that it knows, it asks of the others."""

    @pytest.fixture
    def alone(self, tmp_path: Path, system: System) -> Iterator[Running]:
        others = {
            f"{role}_address": system.config.address(role)
            for role in (RoleName.EMBEDDING, RoleName.KNOWLEDGE, RoleName.SEARCH)
        }
        with up(tmp_path / "files", "--role", "suggestion", **others) as running:
            yield running

    def test_it_suggests_as_it_does_beside_the_others(self, tmp_path: Path, alone: Running, client: Client) -> None:
        record_visibly(client, reading("alone-suggest", *["asyncio.Queue"] * 3))
        (address,) = alone.announced["roles"].values()
        assert is_healthy(address, "attune.suggestion.v1.SuggestionService")
        with Client(Addresses(suggestion=address), timeout_s=30) as asking:
            suggested = asking.suggest(QUERY, user="alone-suggest").suggestions
        assert [each.text for each in suggested] == [
            each.text for each in client.suggest(QUERY, user="alone-suggest").suggestions
        ]
        assert suggested
        stop(alone)
        assert not (tmp_path / "files").exists()
