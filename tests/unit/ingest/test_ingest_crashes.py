"""Invariant 1 for the worker: whatever the batches and wherever it dies, the store ends as after one reading."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attune.events.v1.events_pb2 import EVENT_TYPE_QUERY, InteractionEvent
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.model import Interaction, LogPosition, UserKey
from attune.knowledge_store.store import Store
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import Applied
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.services.ingest.batch import sort_out
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.settings import IngestSettings
from attune.services.ingest.worker import IngestWorker
from attune.services.runtime.consuming.backlog import BatchLimits
from attune.services.runtime.consuming.dead_letter_limit import DeadLetterLimit
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, to_entry
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.validation import Validation

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ANY_NUMBER = DeadLetterLimit(ratio=1)
USERS = ("ada", "bea")
WORDS = ("asyncio", "threading", "nothing known")


class Crash(Exception):  # noqa: N818 - it stands for a process that is killed
    """The process dies here."""


class SmallPolls(LocalEventLog):
    """A log that hands out fewer records at a time than it is asked for: batches of any size."""

    def __init__(self, root: Path, sizes: Sequence[int]) -> None:
        super().__init__(root)
        self._sizes = list(sizes)

    def poll(
        self, topic: str, partition: int, offset: int, max_records: int, max_bytes: int, timeout_s: float
    ) -> list[Record]:
        most = self._sizes.pop() if self._sizes and topic == TOPIC else max_records
        return super().poll(topic, partition, offset, most, max_bytes, timeout_s)


class Crashing(Knowledge):
    """Dies at some batches: before the transaction, or after it and before anybody hears of it."""

    crashes: list[str]

    def handle(self, interactions: Sequence[Interaction], position: LogPosition | None = None) -> Applied:
        crash = self.crashes.pop() if self.crashes else ""
        if crash == "before":
            raise Crash
        applied = super().handle(interactions, position)
        if crash == "after":
            raise Crash
        return applied


def knowledge_over(store: Store, crashes: Sequence[str] = ()) -> Crashing:
    catalog = Catalog.load(['{"id": "asyncio", "label": "asyncio"}', '{"id": "threading", "label": "threading"}'])
    graph = CatalogGraph(catalog)
    made = Crashing(catalog, graph, Linker(catalog, graph), store)
    made.crashes = list(crashes)
    return made


def event(number: int, user: str, words: str) -> InteractionEvent:
    made = InteractionEvent(
        tenant_id="acme", user_id=user, event_id=f"{user}-{number}", type=EVENT_TYPE_QUERY, user_query=words
    )
    made.occurred_at.FromDatetime(NOW + timedelta(seconds=number))
    return made


def worker(log: LocalEventLog, knowledge: Knowledge) -> IngestWorker:
    """A new process, which applies at once what it reads."""
    metrics, settings = IngestMetrics(Metrics()), IngestSettings(BatchLimits(wait_s=0), dead_letters=ANY_NUMBER)
    return IngestWorker(Source.local(log), knowledge, lambda: NOW, metrics, settings)


def read_all(log: LocalEventLog, knowledge: Knowledge) -> None:
    """Read to the end as a process would that is started again after every death."""
    while True:
        try:
            if not worker(log, knowledge).step(0):
                return
        except Crash:
            continue


def content(store: Store) -> dict[str, Any]:
    """All that the store holds of the users, and how far it has read."""
    exported = {user: list(store.export(UserKey("acme", user))) for user in USERS}
    return {**exported, "position": store.position(TOPIC, 0)}


def dead_letters(log: LocalEventLog) -> list[bytes]:
    return [dict(each.headers)["attune_position"] for each in log.poll(DEAD_LETTER_TOPIC, 0, 0, 10_000, 1 << 24, 0)]


events = st.builds(event, st.integers(0, 12), st.sampled_from(USERS), st.sampled_from(WORDS)).map(to_entry)
poison = st.sampled_from([Entry(b"acme/ada", b"\xff"), Entry(b"", b"\x08"), to_entry(event(0, "ada", ""))])


@settings(deadline=None, max_examples=40)
@given(
    entries=st.lists(st.one_of(events, events, events, poison), max_size=25),
    sizes=st.lists(st.integers(1, 7), max_size=30),
    crashes=st.lists(st.sampled_from(["", "before", "after"]), max_size=10),
    engine=st.sampled_from(["memory", "sqlite"]),
)
def test_the_store_is_the_same_for_any_batches_and_crashes(
    entries: list[Entry], sizes: list[int], crashes: list[str], engine: str
) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name)
        log = SmallPolls(directory / "events", sizes)
        if entries:
            log.append(TOPIC, entries, NOW + timedelta(hours=1))
        store: Store = MemoryStore() if engine == "memory" else SqliteStore(directory / "knowledge.sqlite")
        read_all(log, knowledge_over(store, crashes))
        once = LocalEventLog(directory / "events")
        expected = MemoryStore()
        before = dead_letters(once)
        read_all(once, knowledge_over(expected))
        assert content(store) == content(expected)
        assert set(before) == set(dead_letters(once))
        store.close()


@settings(deadline=None, max_examples=40)
@given(entries=st.lists(st.one_of(events, poison), max_size=25))
def test_every_record_is_an_event_or_a_dead_letter(entries: list[Entry]) -> None:
    records = [Record(TOPIC, 0, offset, 0, each.key, each.value, each.headers) for offset, each in enumerate(entries)]
    batch = sort_out(records, Validation())
    assert len(batch.interactions) + len(batch.dead_letters) == len(records)
    assert all(each in batch.dead_letters or each.user.tenant == "acme" for each in batch.interactions)


@settings(deadline=None, max_examples=200)
@example(value=b"3\x00\x00\x00\x00\x00\x00\x00\x004")  # an unknown group, which not every parser takes
@given(value=st.binary(max_size=60))
def test_any_bytes_are_sorted_out_and_never_raise(value: bytes) -> None:
    batch = sort_out([Record(TOPIC, 0, 7, 0, b"acme/ada", value, (("ce_id", b"1"),))], Validation())
    for letter in batch.dead_letters:
        assert (letter.key, letter.value, letter.headers[0]) == (b"acme/ada", value, ("ce_id", b"1"))
        assert dict(letter.headers)["attune_position"] == f"{TOPIC}/0/7".encode()
        assert dict(letter.headers)["attune_reason"]


@pytest.mark.parametrize(("seconds", "nanos"), [(-(10**14), 0), (10**14, 0), (0, -5), (0, 2_000_000_000)])
def test_a_time_that_no_calendar_has_is_a_dead_letter(seconds: int, nanos: int) -> None:
    made = event(1, "ada", "asyncio")
    made.occurred_at.seconds, made.occurred_at.nanos = seconds, nanos
    entry = to_entry(made)
    batch = sort_out([Record(TOPIC, 0, 0, 0, entry.key, entry.value, entry.headers)], Validation())
    assert (len(batch.interactions), len(batch.dead_letters)) == (0, 1)
    assert dict(batch.dead_letters[0].headers)["attune_reason"]


def test_a_dead_letter_tells_nothing_of_its_content(tmp_path: Path) -> None:
    log = LocalEventLog(tmp_path)
    made = event(1, "ada", "swordfish " * 1000)
    log.append(TOPIC, [to_entry(made)], NOW)
    read_all(log, knowledge_over(MemoryStore()))
    (letter,) = log.poll(DEAD_LETTER_TOPIC, 0, 0, 10, 1 << 20, 0)
    assert b"swordfish" not in dict(letter.headers)["attune_reason"]
    assert letter.key == b"acme/ada"  # so that forgetting the user reaches it
