"""The store's file is lost, the log is not: a store that is built again has what users learned from documents."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.e2e.conftest import config_in, exported, record_visibly, wait_until
from tests.e2e.material import catalog_lines, documents, reading
from tests.e2e.process import up
from tests.e2e.refusals import refused, rpc
from tests.e2e.test_forgotten_stay_forgotten import lose_the_store, started

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge.v1 import knowledge_pb2 as pb
from attune.knowledge.v1.knowledge_pb2_grpc import KnowledgeServiceStub
from attune.knowledge_store.model import LinkedEntity, UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.search.v1.search_pb2 import Document
from attune.services.cli.background import running_system
from attune.services.client import Client, interaction
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.events import TOPIC
from attune.services.runtime.objects import append_objects, restore_objects
from attune.services.runtime.stores import open_knowledge

pytestmark = pytest.mark.e2e

TENANTS = ("red", "blue")
READERS: dict[str, dict[str, Any]] = {
    "ada": {"kind": "click"},
    "bea": {"kind": "view"},
    "cleo": {"kind": "dwell", "dwell_ms": 90_000},
    "dan": {"kind": "feedback", "attributes": {"verdict": "relevant"}},
    "eve": {"kind": "click"},
}


def shared_in(directory: Path) -> Config:
    tokens = {f"{tenant}-token": tenant for tenant in (*TENANTS, "attune")}
    config = config_in(directory, tokens_file=directory / "tokens.json", service_token="attune-token")
    (directory / "tokens.json").write_text(json.dumps(tokens))
    return config


@contextmanager
def clients_of(config: Config, *roles: RoleName) -> Iterator[tuple[Client, Client, Config]]:
    """A client of each tenant; all of the log is applied."""
    with running_system(config, system_clock, roles=roles or tuple(RoleName)) as system:
        addresses = Addresses.of(system.config)
        red, blue = (Client(addresses, token=f"{tenant}-token", timeout_s=60) for tenant in TENANTS)
        with red, blue:
            wait_until_applied(red, config)
            yield red, blue, system.config


def wait_until_applied(client: Client, config: Config) -> None:
    log = LocalEventLog(config.data_dir / "events")
    wait_until(lambda: client.profile("anybody").applied_offset == log.end_offset(TOPIC, 0))
    log.close()


def reads(user: str, object_id: str) -> list[InteractionEvent]:
    """Two events of a user, which tell of the document its id alone."""
    past = datetime.now(UTC) - timedelta(hours=1)
    return [
        interaction(user, at=past + timedelta(seconds=number), object_id=object_id, **READERS[user])
        for number in (1, 2)
    ]


def held(config: Config) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """All that a stopped system's store holds of the users."""
    store = open_knowledge(config).store
    try:
        return {(tenant, user): list(store.export(UserKey(tenant, user))) for tenant in TENANTS for user in READERS}
    finally:
        store.close()


def entities(records: list[dict[str, Any]]) -> set[str]:
    return {each["entity_id"] for each in records if each["record"] == "entity"}


def test_users_know_what_they_have_read_without_the_stores_file(tmp_path: Path) -> None:
    config = shared_in(tmp_path)
    other = Document(document_id="asyncio.gather", title="blue", text="Processes: multiprocessing.", domain="blue")
    with clients_of(config) as (red, blue, at):
        assert red.index(documents()).indexed == len(documents())
        assert blue.index([other]).indexed == 1
        gone = pb.UnlinkObjectsRequest(object_ids=["asyncio.Queue"])
        unlink = rpc(at, RoleName.KNOWLEDGE, "UnlinkObjects")
        assert unlink(gone, metadata=[("authorization", "Bearer red-token")]).unlinked == 1
        for user in READERS:
            red.record(reads(user, "asyncio.Queue" if user == "eve" else "asyncio.gather"))
            blue.record(reads(user, "asyncio.gather"))
        wait_until_applied(red, config)
    before = held(config)
    for tenant, user in before:
        of_red = set() if user == "eve" else {"asyncio.gather", "asyncio"}
        assert entities(before[tenant, user]) == (of_red if tenant == "red" else {"multiprocessing"})
    lose_the_store(config)
    with clients_of(config, RoleName.KNOWLEDGE, RoleName.INGEST):
        pass
    assert held(config) == before


def test_documents_that_an_older_version_linked_are_in_the_log_after_its_start(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    store = open_knowledge(config).store
    store.remember_objects("default", {"asyncio.gather": [LinkedEntity("asyncio", 1.0)]})
    store.close()
    with started(config) as (client, _):
        record_visibly(client, reading("ada", "asyncio.gather"))
        before = exported(client, "ada")
        assert [each.entity.entity_id for each in before if each.HasField("entity")] == ["asyncio"]
    lose_the_store(config)
    with started(config) as (client, _):
        assert exported(client, "ada") == before


def test_removed_suggestions_count_the_same_and_their_text_is_nowhere(tmp_path: Path) -> None:
    config, secret = config_in(tmp_path), "zebrafish-and-quinces"
    with running_system(config, system_clock) as system, Client(Addresses.of(system.config), timeout_s=60) as client:
        record_visibly(client, reading("ada", "asyncio.gather") + reading("bea", "asyncio.gather"))
        client.remove_suggestion("ada", f"asyncio {secret}")
        client.remove_suggestion("ada", f"queue {secret}", entity_ids=["asyncio", "asyncio.Queue", "no such entity"])
        client.remove_suggestion("bea", secret, entity_ids=["asyncio"])
        client.remove_suggestion("cleo", secret, entity_ids=["asyncio", "multiprocessing"])
        forgotten = pb.ForgetEntityRequest(user_id="cleo", entity_id="asyncio")
        wait_until(lambda: client.profile("cleo").events == 1)
        rpc(system.config, RoleName.KNOWLEDGE, "ForgetEntity")(forgotten)
        wait_until(lambda: client.profile("ada").events == 3)
        assert client.forget("bea").removed["event_log"] == 2
        before = {user: exported(client, user) for user in ("ada", "bea", "cleo")}
    lose_the_store(config)
    with started(config) as (client, _):
        assert {user: exported(client, user) for user in before} == before
        assert {each.entity_id for each in client.entities("ada")} == {"asyncio", "asyncio.Queue"}
        assert [each.entity_id for each in client.entities("cleo")] == ["multiprocessing"]
        assert list(client.entities("bea")) == []
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert kept == []


# Crashing


STATES = (["asyncio"], ["multiprocessing"], None)


class Indexer:
    """Links a document as one thing, as another, and unlinks it, over and over, until the service is gone."""

    def __init__(self, object_id: str) -> None:
        self.object_id = object_id
        self.is_under_way = threading.Event()
        self.begun = 0
        """All calls before this one were answered."""

    def index(self, address: str) -> None:
        with grpc.insecure_channel(address) as channel:
            stub = KnowledgeServiceStub(channel)
            for self.begun in count():
                self._call(stub, STATES[self.begun % 3])
                if self.begun == 5:
                    self.is_under_way.set()

    def _call(self, stub: KnowledgeServiceStub, wanted: list[str] | None) -> None:
        if wanted is None:
            stub.UnlinkObjects(pb.UnlinkObjectsRequest(object_ids=[self.object_id]), timeout=60)
        else:
            document = pb.ObjectInput(object_id=self.object_id, title=wanted[0])
            stub.LinkObjects(pb.LinkObjectsRequest(objects=[document]), timeout=60)


def of_the_log(directory: Path) -> MemoryStore:
    """A new store after reading the log."""
    log, built = LocalEventLog(directory / "events"), MemoryStore()
    restore_objects(log, built)
    log.close()
    return built


def test_killed_between_log_and_store_it_knows_every_document_of_the_log_afterwards(tmp_path: Path) -> None:
    (tmp_path / "catalog.jsonl").write_text(catalog_lines())
    indexers = [Indexer(f"d{number}") for number in range(4)]
    with up(tmp_path, "--role", "knowledge") as running, ThreadPoolExecutor() as callers:
        calls = [callers.submit(each.index, running.announced["roles"]["knowledge"]) for each in indexers]
        assert all(each.is_under_way.wait(60) for each in indexers)
        running.kill()
        assert {refused(call.result).code for call in calls} == {grpc.StatusCode.UNAVAILABLE}
    log = LocalEventLog(tmp_path / "events")
    append_objects(log, "default", {"of the last call": [LinkedEntity("asyncio", 1.0)]}, datetime.now(UTC))
    log.close()
    with up(tmp_path, "--role", "knowledge") as running:
        running.ask_to_stop()
        assert running.exit_status() == 0
    store = open_knowledge(Config(data_dir=tmp_path)).store
    assert list(store.every_object()) == list(of_the_log(tmp_path).every_object())
    found = store.objects("default", [each.object_id for each in indexers])
    assert store.objects("default", ["of the last call"])
    store.close()
    for each in indexers:
        about = [linked.entity_id for linked in found[each.object_id]] if each.object_id in found else None
        assert about in (STATES[(each.begun - 1) % 3], STATES[each.begun % 3])
