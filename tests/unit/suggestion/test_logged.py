"""Which events of the log may teach: not those that their users have removed, or that name what they have forgotten."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attune.events.v1.events_pb2 import EVENT_TYPE_QUERY, InteractionEvent
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.loaded import LoadedCatalog
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.runtime.records.admission import Admission
from attune.services.suggestion.logged import EventsInLog, Unremoved
from attune.services.suggestion.queries.asked import Asked

START = datetime(2026, 3, 1, tzinfo=UTC)
ADA, BO = UserKey("acme", "ada"), UserKey("acme", "bo")
CATALOG = LoadedCatalog.of(
    Catalog.load(
        [
            '{"id": "Q1", "label": "asyncio"}',
            '{"id": "Q2", "label": "sqlite"}',
            '{"merged": "Q0", "into": "Q1"}',
        ]
    )
)


def asked(user: UserKey, text: str, minute: float = 0, logged: float | None = None) -> Asked:
    at = None if logged is None else START + timedelta(minutes=logged)
    return Asked(user, text, START + timedelta(minutes=minute), "", at)


def taught(store: MemoryStore, *log: Asked, catalog: LoadedCatalog | None = CATALOG) -> list[str]:
    found = Unremoved(log, store, lambda: catalog)
    told = [each.text for each in found]
    assert found.left_out == len(log) - len(told)
    return told


def test_a_history_that_was_removed_from_suggestions_teaches_nothing_and_what_comes_after_does() -> None:
    store = MemoryStore()
    store.suppress(ADA, [], START, START)
    assert taught(store, asked(ADA, "before"), asked(BO, "another's"), asked(ADA, "after", 1)) == ["another's", "after"]
    # What happened later than it was logged, by its own word, is of when it was logged.
    assert taught(store, asked(ADA, "x", 4, logged=0), asked(ADA, "y", 0, logged=4), asked(ADA, "z", 4, logged=4)) == [
        "z"
    ]


@pytest.mark.parametrize("entity_id", ["Q1", "Q0"])
def test_a_text_that_names_a_forgotten_entity_teaches_nothing(entity_id: str) -> None:
    store = MemoryStore()
    store.forget_entity(ADA, entity_id, START)
    log = [asked(ADA, "asyncio queue"), asked(ADA, "sqlite"), asked(BO, "asyncio"), asked(ADA, "asyncio again", 1)]
    assert taught(store, *log) == ["sqlite", "asyncio", "asyncio again"]


def test_without_a_catalog_no_text_is_known_not_to_name_it() -> None:
    store = MemoryStore()
    store.forget_entity(ADA, "Q1", START)
    log = [asked(ADA, "sqlite"), asked(ADA, ""), asked(BO, "asyncio"), asked(ADA, "sqlite", 1)]
    assert taught(store, *log, catalog=None) == ["", "asyncio", "sqlite"]


def test_the_catalog_is_read_once_and_only_where_an_entity_was_forgotten() -> None:
    store, read = MemoryStore(), []

    def catalog() -> LoadedCatalog:
        read.append(1)
        return CATALOG

    log = [asked(ADA, "asyncio"), asked(ADA, "asyncio")]
    assert len(list(Unremoved(log, store, catalog))) == 2
    assert not read
    store.forget_entity(ADA, "Q1", START)
    assert list(Unremoved(log, store, catalog)) == []
    assert len(read) == 1


def test_the_watcher_is_told_how_much_is_read_of_how_much(tmp_path: Path) -> None:
    event = InteractionEvent(tenant_id="acme", user_id="ada", event_id="e", type=EVENT_TYPE_QUERY, user_query="x")
    event.occurred_at.FromDatetime(START)
    with closing(LocalEventLog(tmp_path, partitions=2)) as event_log:
        event_log.append(TOPIC, [to_entry(event)] * 4500, START)
        seen: list[tuple[int, int]] = []
        found = EventsInLog(
            event_log, Admission(), frozenset({EVENT_TYPE_QUERY}), lambda read, of: seen.append((read, of))
        )
        assert len(list(found)) == 4500
    assert seen == [(2000, 4500), (4000, 4500), (4500, 4500)]
