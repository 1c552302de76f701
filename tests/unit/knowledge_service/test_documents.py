"""Documents: to the log first, what is known already not again, and what the store did not take is not lost."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.knowledge_store.builders import line, linker_for

from attune.knowledge_store.knowledge import Document, Knowledge
from attune.knowledge_store.model import LinkedEntity, LogPosition
from attune.knowledge_store.store import Store, StoreBusyError
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import LoggedObject
from attune.services.knowledge.documents import Documents
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.objects import OBJECTS_TOPIC, restore_objects

NOW = datetime(2026, 11, 3, tzinfo=UTC)
CATALOG = linker_for(line("asyncio", "asyncio"), line("trio", "trio"))
ASYNCIO, TRIO = [LinkedEntity("asyncio", 1.0)], [LinkedEntity("trio", 1.0)]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path)
    yield opened
    opened.close()


def documents_over(store: Store, log: LocalEventLog) -> Documents:
    return Documents(Knowledge(*CATALOG, store), log, lambda: NOW)


def about(object_id: str, title: str) -> Document:
    return Document(object_id, title, "")


def built_again(log: LocalEventLog) -> MemoryStore:
    store = MemoryStore()
    restore_objects(log, store)
    return store


class BusyOnce(MemoryStore):
    """Refuses the first documents that it is told."""

    refuses = True

    def restore_objects(self, said: Sequence[LoggedObject], position: LogPosition) -> None:
        if self.refuses:
            self.refuses = False
            raise StoreBusyError("the store is busy: try again")
        super().restore_objects(said, position)


def test_what_a_document_is_about_is_in_the_log_and_the_store(log: LocalEventLog) -> None:
    store = MemoryStore()
    linked = documents_over(store, log).link("acme", [about("d1", "asyncio"), about("d2", "nothing known")])
    assert linked == {"d1": ASYNCIO, "d2": []}
    assert store.objects("acme", ["d1", "d2"]) == built_again(log).objects("acme", ["d1", "d2"]) == linked
    assert store.position(OBJECTS_TOPIC, 0) == log.end_offset(OBJECTS_TOPIC, 0) == 2


def test_only_what_has_changed_is_logged_again(log: LocalEventLog) -> None:
    documents = documents_over(MemoryStore(), log)
    documents.link("acme", [about("d1", "asyncio"), about("d2", "nothing known")])
    again = documents.link("acme", [about("d1", "trio"), about("d2", "nothing known")])
    assert again == {"d1": TRIO, "d2": []}
    assert log.end_offset(OBJECTS_TOPIC, 0) == 3
    documents.link("globex", [about("d1", "trio")])
    assert log.end_offset(OBJECTS_TOPIC, 0) == 4
    assert built_again(log).objects("acme", ["d1"]) == {"d1": TRIO}


def test_of_a_document_that_comes_twice_in_a_call_the_later_one_counts(log: LocalEventLog) -> None:
    linked = documents_over(MemoryStore(), log).link("acme", [about("d1", "asyncio"), about("d1", "trio")])
    assert linked == built_again(log).objects("acme", ["d1"]) == {"d1": TRIO}


def test_an_unlinked_document_stays_unlinked_until_it_is_linked_again(log: LocalEventLog) -> None:
    documents = documents_over(MemoryStore(), log)
    documents.link("acme", [about("d1", "asyncio"), about("d2", "asyncio")])
    documents.link("globex", [about("d1", "trio")])
    assert documents.unlink("acme", ["d1", "d1", "never linked"]) == 1
    assert documents.unlink("acme", ["d1"]) == 0
    assert log.end_offset(OBJECTS_TOPIC, 0) == 4  # what is not known is not logged
    assert built_again(log).objects("acme", ["d1", "d2"]) == {"d2": ASYNCIO}
    assert built_again(log).objects("globex", ["d1"]) == {"d1": TRIO}
    documents.link("acme", [about("d1", "asyncio")])
    assert built_again(log).objects("acme", ["d1"]) == {"d1": ASYNCIO}


def test_what_the_store_could_not_take_it_takes_at_the_next_call(log: LocalEventLog) -> None:
    store = BusyOnce()
    documents = documents_over(store, log)
    with pytest.raises(StoreBusyError):
        documents.link("acme", [about("d1", "asyncio")])
    assert store.objects("acme", ["d1"]) == {}
    assert documents.unlink("acme", ["another"]) == 0
    assert store.objects("acme", ["d1"]) == built_again(log).objects("acme", ["d1"]) == {"d1": ASYNCIO}


def test_of_calls_at_once_the_store_holds_what_the_log_says_last(log: LocalEventLog) -> None:
    store = MemoryStore()
    documents = documents_over(store, log)

    def call(number: int) -> None:
        if number % 3:
            documents.link("acme", [about(f"d{number % 4}", ("asyncio", "trio")[number % 2])])
        else:
            documents.unlink("acme", [f"d{number % 4}"])

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(call, range(60)))
    assert list(store.every_object()) == list(built_again(log).every_object())
