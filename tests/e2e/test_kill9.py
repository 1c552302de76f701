"""A process that is killed, and one that is asked to stop: what was acknowledged stays, and counts once."""

import shutil
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest
from tests.e2e.conftest import config_in, record_visibly, wait_until
from tests.e2e.material import QUERY, catalog_lines, documents, reading
from tests.e2e.process import Running, up

from attune.knowledge_store.model import UserKey
from attune.search.v1.search_pb2 import Document
from attune.services.client import Client
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.settings import IngestSettings
from attune.services.ingest.worker import IngestWorker
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.consuming.backlog import BatchLimits
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.events import TOPIC
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.restoring import restore
from attune.services.runtime.stores import open_knowledge

pytestmark = pytest.mark.e2e

Message = TypeVar("Message")
HISTORIES = {
    "ada": ["asyncio.gather", "asyncio.Queue"] * 150,
    "bea": ["multiprocessing.Pool"] * 300,
    "cleo": ["asyncio.timeout", "csv.reader"] * 150,  # sent while the process is killed
}
EVENTS = {user: reading(user, *titles) for user, titles in HISTORIES.items()}
NUMBERED = [Document(document_id=f"n-{number}", title=f"number {number}", domain="numbers") for number in range(95)]
ACKNOWLEDGED, UNACKNOWLEDGED = NUMBERED[:20], NUMBERED[20:]


def client_of(running: Running) -> Client:
    return Client(running.addresses, timeout_s=60)


def numbers(client: Client) -> int:
    """How many of the numbered documents a search finds."""
    return len(client.search("number", domains=["numbers"], page_size=100).hits)


def exports(config: Config) -> dict[str, list[dict[str, Any]]]:
    """All that a stopped system's store holds."""
    knowledge = open_knowledge(config)
    try:
        return {user: list(knowledge.export(UserKey("default", user))) for user in HISTORIES}
    finally:
        knowledge.store.close()


def computed_anew(directory: Path, scratch: Path) -> dict[str, list[dict[str, Any]]]:
    """What a new store holds after reading a copy of the log once."""
    config = config_in(scratch)
    shutil.copytree(directory / "events", scratch / "events")
    knowledge, log = open_knowledge(config), LocalEventLog(scratch / "events")
    restore(log, knowledge.store)
    settings = IngestSettings(BatchLimits(wait_s=0))
    worker = IngestWorker(Source.local(log), knowledge, system_clock, IngestMetrics(Metrics()), settings)
    while worker.step(0):
        pass
    knowledge.store.close()
    log.close()
    return exports(config)


class Held:
    """A stream that stops in the middle and stays open until it is let go."""

    def __init__(self) -> None:
        self._released = threading.Event()

    def messages(self, given: Sequence[Message], after: int) -> Iterator[Message]:
        yield from given[:after]
        self._released.wait(60)

    def let_go(self) -> None:
        self._released.set()


def kill_right_after_an_acknowledgement(running: Running, client: Client, directory: Path) -> None:
    """And in the middle of two other streams, a part of each being written and none acknowledged."""
    held, log = Held(), LocalEventLog(directory / "events")
    with ThreadPoolExecutor() as callers:
        calls = [
            callers.submit(client.record, held.messages(EVENTS["cleo"], after=280)),
            callers.submit(client.index, held.messages(UNACKNOWLEDGED, after=70)),
        ]
        wait_until(lambda: log.end_offset(TOPIC, 0) > 0 and numbers(client) > 0)
        assert client.index(ACKNOWLEDGED).indexed == len(ACKNOWLEDGED)
        assert client.record([*EVENTS["ada"], *EVENTS["bea"]]).accepted == 600
        running.kill()
        held.let_go()
        codes = [getattr(call.exception(), "code", lambda: None)() for call in calls]
    log.close()
    assert codes == [grpc.StatusCode.UNAVAILABLE] * 2


def send_everything_again(client: Client) -> int:
    """Return how many documents the index did not have."""
    indexed = client.index([*documents(), *ACKNOWLEDGED, *UNACKNOWLEDGED])
    assert indexed.rejected_count == 0
    record_visibly(client, [event for events in EVENTS.values() for event in events])
    assert [client.profile(user).events for user in HISTORIES] == [300, 300, 300]
    assert numbers(client) == len(ACKNOWLEDGED) + len(UNACKNOWLEDGED)
    return indexed.indexed


def test_killed_at_any_time_it_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / "catalog.jsonl").write_text(catalog_lines())
    with up(directory) as running, client_of(running) as client:
        client.index(documents())
        kill_right_after_an_acknowledgement(running, client, directory)
    # A busy machine takes longer for what it has begun than the usual drain time.
    with up(directory, drain_s=60) as running, client_of(running) as client:
        wait_until(lambda: [client.profile(user).events for user in ("ada", "bea")] == [300, 300])
        assert numbers(client) > len(ACKNOWLEDGED)
        assert "asyncio.gather" in [hit.document.title for hit in client.search(QUERY, page_size=100).hits]
        assert send_everything_again(client) < len(UNACKNOWLEDGED)
        assert send_everything_again(client) == 0
        assert stop_with_calls_in_flight(running, client) == 0
    held = exports(Config(data_dir=directory))
    assert all(len(records) > 1 for records in held.values())
    assert held == computed_anew(directory, tmp_path / "anew")


def in_flight(running: Running, method: str) -> bool:
    """Whether the process is answering such a call at this moment, by its own metrics."""
    with urllib.request.urlopen(f"http://{running.announced['metrics']}/metrics", timeout=5) as page:
        lines = page.read().decode().splitlines()
    gauges = [line for line in lines if line.startswith("attune_rpcs_in_flight") and f'/{method}"' in line]
    return any(gauge.endswith(" 1.0") for gauge in gauges)


def stop_with_calls_in_flight(running: Running, client: Client) -> int:
    """Ask the process to stop while it computes; its answers must still come."""
    held = Held()
    late = reading("dora", "csv.reader")
    with ThreadPoolExecutor() as callers:
        recorded = callers.submit(client.record, held.messages(late, after=1))
        embedded = callers.submit(client.embed, ["one of many words " * 200] * 50)
        wait_until(lambda: in_flight(running, "RecordInteractions") and in_flight(running, "Embed"))
        running.ask_to_stop()
        held.let_go()
        assert embedded.result().shape == (50, 384)
        assert recorded.result().accepted == 1
    return running.exit_status()
