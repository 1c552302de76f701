"""The audit at a campaign's end tells of all that is lost, doubled or not set aside."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from tests.faults.offline import Audit
from tests.faults.report import Report
from tests.faults.traffic import ENTITIES, Traffic

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.model import LogPosition
from attune.knowledge_store.store import Store
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.ingest.batch import sort_out
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Position, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC
from attune.services.runtime.state_topics import every_record
from attune.services.runtime.validation import Validation

BATCHES = 30


class Run:
    """A log of one partition, and a store that has read it without any fault."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = LocalEventLog(directory / "events", 1)
        self.traffic = Traffic(Random(5), partitions=1)  # noqa: S311 - traffic, not a secret
        self.acknowledged: dict[Position, bytes] = {}
        for _ in range(BATCHES):
            self.append(self.traffic.batch())
        self.store = MemoryStore()
        self.read(list(every_record(self.log, TOPIC)))

    def append(self, entries: list[Entry]) -> None:
        positions = self.log.append(TOPIC, entries, datetime.now(UTC))
        self.acknowledged |= {at: each.value for at, each in zip(positions, entries, strict=True)}

    def read(self, records: list[Record]) -> None:
        """As a worker does."""
        batch, end = sort_out(records, Validation()), self.log.end_offset(TOPIC, 0)
        self.log.append(DEAD_LETTER_TOPIC, batch.dead_letters, datetime.now(UTC))
        knowledge(self.store).handle(batch.interactions, LogPosition(TOPIC, 0, end))

    def audited(self) -> Report:
        report = Report("memory", brokers=1, seed=5)
        audit = Audit(self.log, self.store, report, self.directory)
        audit.run(knowledge(MemoryStore()), self.acknowledged, self.traffic.wrong)
        return report


def knowledge(store: Store) -> Knowledge:
    catalog = Catalog.load([f'{{"id": "{each}", "label": "{each}"}}' for each in ENTITIES])
    graph = CatalogGraph(catalog)
    return Knowledge(catalog, graph, Linker(catalog, graph), store)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path)
    yield made
    made.log.close()


def test_nothing_differs_where_nothing_went_wrong(run: Run) -> None:
    report = run.audited()
    assert report.differences == []
    assert report.records == len(run.acknowledged)
    assert report.wrong == report.dead_letters > 0
    assert report.duplicates > 0


def test_an_event_that_was_not_applied_is_told(run: Run) -> None:
    run.store = MemoryStore()
    run.read([each for each in every_record(run.log, TOPIC) if each.offset])
    assert [each[:7] for each in run.audited().differences] == ["is     ", "should "]


def test_a_position_that_was_not_moved_is_told(run: Run) -> None:
    run.append([Entry(b"acme/user-1", run.acknowledged[Position(TOPIC, 0, 0)])])
    told = run.audited().differences
    assert [each[:7] for each in told] == ["is     ", "should "]
    assert all(TOPIC in each for each in told)


def test_a_record_that_the_log_has_lost_is_told(run: Run) -> None:
    gone = Position(TOPIC, 0, len(run.acknowledged))
    run.acknowledged[gone] = b"acknowledged"
    assert run.audited().differences == [f"lost by the log: {gone}"]


def test_a_wrong_record_that_is_no_dead_letter_is_told(run: Run) -> None:
    [position] = run.log.append(TOPIC, [Entry(b"acme/user-1", b"\xff not set aside")], datetime.now(UTC))
    run.traffic.wrong.add((b"acme/user-1", b"\xff not set aside"))
    knowledge(run.store).handle([], LogPosition(TOPIC, 0, position.offset + 1))
    assert run.audited().differences == [f"no dead letter for {position}"]


def test_a_right_record_that_is_a_dead_letter_is_told(run: Run) -> None:
    run.traffic.wrong.pop()
    assert [each.partition(" for ")[0] for each in run.audited().differences] == ["a dead letter too many"]
