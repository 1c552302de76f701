"""The store's file is lost, the log is not: what was to be forgotten stays so when the store is built again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.e2e.conftest import config_in, exported, record_visibly, wait_until
from tests.e2e.material import reading
from tests.e2e.refusals import rpc

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.services.cli.background import running_system
from attune.services.client import Client, interaction
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, to_entry

pytestmark = pytest.mark.e2e

SECRET = "zebrafish-and-quinces"


@contextmanager
def started(config: Config) -> Iterator[tuple[Client, Config]]:
    """The two roles that keep users; all of the log is applied."""
    with (
        running_system(config, system_clock, roles=[RoleName.KNOWLEDGE, RoleName.INGEST]) as system,
        Client(Addresses.of(system.config), timeout_s=30) as client,
    ):
        log = LocalEventLog(config.data_dir / "events")
        wait_until(lambda: client.profile("anybody").applied_offset == log.end_offset(TOPIC, 0))
        log.close()
        yield client, system.config


def search_for(user: str, words: str, at: datetime, event_id: str) -> InteractionEvent:
    return interaction(user, "query", at, query=words, event_id=event_id)


def repeat_past_the_recorder(config: Config, events: list[InteractionEvent]) -> None:
    """As a producer does that writes to the log itself."""
    log = LocalEventLog(config.data_dir / "events")
    for event in events:
        event.tenant_id = "default"
    log.append(TOPIC, [to_entry(event) for event in events], datetime.now(UTC))
    log.close()


def lose_the_store(config: Config) -> None:
    lost = list(config.data_dir.glob("knowledge.sqlite*"))
    assert lost
    for path in lost:
        path.unlink()


def after(moment: datetime) -> datetime:
    """A time past the moment, which has come."""
    later = moment + timedelta(milliseconds=2)
    wait_until(lambda: datetime.now(UTC) > later)
    return later


def test_users_entities_and_suggestions_stay_forgotten_without_the_stores_file(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    past = datetime.now(UTC) - timedelta(hours=1)
    old = [search_for("jon", f"asyncio {SECRET}", past + timedelta(minutes=number), str(number)) for number in range(3)]
    with started(config) as (client, at):
        record_visibly(client, old)
        record_visibly(client, [search_for("kay", "asyncio multiprocessing", past, "1")])
        knowledge = {"user_id": "kay", "entity_id": "asyncio"}
        rpc(at, RoleName.KNOWLEDGE, "ForgetEntity")(pb.ForgetEntityRequest(**knowledge))
        suppress = pb.SuppressSuggestionsRequest(user_id="kay", fingerprints=[b"f" * 32], all_history=True)
        rpc(at, RoleName.KNOWLEDGE, "SuppressSuggestions")(suppress)
        forgotten_at = client.forget("jon").forgotten_at.ToDatetime(UTC)
        repeat_past_the_recorder(config, old)
        record_visibly(client, [search_for("jon", "multiprocessing", after(forgotten_at), "anew")])
        before = {user: exported(client, user) for user in ("jon", "kay")}
        assert [each.entity.entity_id for each in before["jon"] if each.HasField("entity")] == ["multiprocessing"]
        assert [each.WhichOneof("record") for each in before["kay"]] == [
            "profile",
            "entity",
            "forgotten_entity",
            "suppressed_suggestion",
            "suppressed_history_until",
        ]
    assert any(SECRET.encode() in path.read_bytes() for path in (tmp_path / "events").rglob("*.log"))
    lose_the_store(config)
    with started(config) as (client, _):
        assert {user: exported(client, user) for user in before} == before
        assert client.profile("jon").forgotten_at.ToDatetime(UTC) == forgotten_at


def test_forgetting_again_reaches_what_was_repeated_and_the_next_loss_brings_nothing_back(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    events = reading("lea", "asyncio.gather", "asyncio.Queue")
    events[0].user_query = SECRET
    with started(config) as (client, _):
        record_visibly(client, events)
        client.forget("lea")
        repeat_past_the_recorder(config, events)
        assert client.forget("lea").removed["event_log"] == 2
    lose_the_store(config)
    with started(config) as (client, _):
        assert client.profile("lea").events == 0
        assert client.profile("lea").HasField("forgotten_at")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_an_event_from_the_future_that_bypassed_the_recorder_is_a_dead_letter(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    repeat_past_the_recorder(config, [search_for("max", "asyncio", datetime.now(UTC) + timedelta(hours=1), "1")])
    with started(config) as (client, _):
        assert client.profile("max").events == 0
    log = LocalEventLog(config.data_dir / "events")
    (letter,) = log.poll(DEAD_LETTER_TOPIC, 0, 0, 10, 1 << 20, 0)
    assert dict(letter.headers)["attune_reason"].startswith(b"occurred_at: is more than five minutes ahead")
    log.close()
