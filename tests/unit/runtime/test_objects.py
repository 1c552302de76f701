"""Documents' entities in the log: they come back as they went in, the newest counts, and old stores' are added."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.knowledge.v1.object_pb2 import ObjectRecord
from attune.knowledge_store.model import LinkedEntity
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.runtime.config import ConfigError
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Position, Record
from attune.services.runtime.objects import OBJECTS_TOPIC, append_objects, append_unlogged, restore_objects

NOW = datetime(2026, 11, 3, tzinfo=UTC)
A, B = [LinkedEntity("a", 1.0), LinkedEntity("b", 1 / 3)], [LinkedEntity("b", 1.0)]
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
linked = st.lists(st.builds(LinkedEntity, ids, st.floats(0, 1, exclude_min=True)), max_size=4)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path)
    yield opened
    opened.close()


def restored(log: LocalEventLog) -> MemoryStore:
    store = MemoryStore()
    restore_objects(log, store)
    return store


def records(log: LocalEventLog) -> list[Record]:
    return log.poll(OBJECTS_TOPIC, 0, 0, 100_000, 1 << 30, 0)


@settings(deadline=None, max_examples=60)
@given(steps=st.lists(st.dictionaries(ids, st.none() | linked, min_size=1, max_size=4), max_size=5))
def test_documents_come_back_as_the_newest_record_says(
    steps: list[dict[str, list[LinkedEntity] | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = LocalEventLog(tmp_path_factory.mktemp("log"), partitions=2)
    newest: dict[str, list[LinkedEntity] | None] = {}
    for step in steps:
        append_objects(log, "acme", step, NOW)
        newest |= step
    store = restored(log)
    assert store.objects("acme", list(newest)) == {each: found for each, found in newest.items() if found is not None}
    log.close()


def test_a_compacted_topic_tells_the_same(log: LocalEventLog, tmp_path: Path) -> None:
    append_objects(log, "acme", {"d1": B, "d2": B, "d3": []}, NOW)
    append_objects(log, "acme", {"d1": A, "d2": None}, NOW)
    newest = {each.key: each for each in records(log)}
    compacted = LocalEventLog(tmp_path / "compacted")
    compacted.append(OBJECTS_TOPIC, [Entry(each.key, each.value, each.headers) for each in newest.values()], NOW)
    assert list(restored(compacted).every_object()) == list(restored(log).every_object())
    assert restored(log).objects("acme", ["d1", "d2", "d3"]) == {"d1": A, "d3": []}


def test_two_tenants_with_one_object_id_do_not_meet(log: LocalEventLog) -> None:
    append_objects(log, "acme", {"d/1": A}, NOW)
    append_objects(log, "globex", {"d/1": B}, NOW)
    append_objects(log, "globex", {"d/2": None}, NOW)
    store = restored(log)
    assert (store.objects("acme", ["d/1"]), store.objects("globex", ["d/1"])) == ({"d/1": A}, {"d/1": B})
    assert [each.key for each in records(log)] == [b"acme/d/1", b"globex/d/1", b"globex/d/2"]


def test_records_are_read_once_and_from_where_the_store_says(log: LocalEventLog) -> None:
    append_objects(log, "acme", {"d1": A}, NOW)
    store = restored(log)
    assert store.position(OBJECTS_TOPIC, 0) == 1
    store.remember_objects("acme", {"d1": B})
    append_objects(log, "acme", {"d2": A}, NOW)
    restore_objects(log, store)
    assert store.position(OBJECTS_TOPIC, 0) == 2
    assert store.objects("acme", ["d1", "d2"]) == {"d1": B, "d2": A}


def test_a_log_without_the_topic_leaves_the_store_as_it_is(log: LocalEventLog) -> None:
    store = MemoryStore()
    store.remember_objects("acme", {"d1": A})
    restore_objects(log, store)
    assert store.objects("acme", ["d1"]) == {"d1": A}


@pytest.mark.parametrize(
    "value",
    [
        b"\xff\xff",
        b"",
        ObjectRecord(tenant_id="acme").SerializeToString(),
        ObjectRecord(object_id="d1", unlinked=True).SerializeToString(),
    ],
)
def test_what_is_no_record_of_a_document_stops_the_role_by_its_place(log: LocalEventLog, value: bytes) -> None:
    log.append(OBJECTS_TOPIC, [Entry(b"acme/d1", value)], NOW)
    with pytest.raises(
        ConfigError, match=rf"^{OBJECTS_TOPIC}/0/0 in the event log is no document's entities .*: upgrade"
    ):
        restored(log)


# Stores from before the topic


class Breaking(LocalEventLog):
    """Refuses to append after the first time."""

    appended = False

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        if self.appended:
            raise OSError("no space left on device")
        self.appended = True
        return super().append(topic, entries, now)


def old_store(count: int = 1300) -> MemoryStore:
    store = MemoryStore()
    store.remember_objects("acme", {f"d{number}": A for number in range(count)})
    store.remember_objects("globex", {"d0": B})
    return store


def test_what_a_store_knows_from_before_is_logged_once(log: LocalEventLog) -> None:
    store = old_store()
    append_unlogged(log, store, NOW)
    assert list(restored(log).every_object()) == list(store.every_object())
    restore_objects(log, store)
    append_unlogged(log, store, NOW)
    assert len(records(log)) == 1301


def test_broken_off_it_is_done_to_the_end_the_next_time(log: LocalEventLog, tmp_path: Path) -> None:
    store = old_store()
    with pytest.raises(OSError, match="no space"):
        append_unlogged(Breaking(tmp_path), store, NOW)
    assert 0 < len(records(log)) < 1301
    append_unlogged(log, store, NOW)
    assert len(records(log)) == 1301
    assert list(restored(log).every_object()) == list(store.every_object())


def test_an_old_backup_takes_nothing_back_that_was_logged_since(log: LocalEventLog) -> None:
    append_objects(log, "acme", {"d0": B, "d1": None}, NOW)
    store = old_store(3)
    append_unlogged(log, store, NOW)
    restore_objects(log, store)
    assert store.objects("acme", ["d0", "d1", "d2"]) == {"d0": B, "d2": A}
    assert list(restored(log).every_object()) == list(store.every_object())


def test_a_new_store_logs_nothing(log: LocalEventLog) -> None:
    append_unlogged(log, MemoryStore(), NOW)
    assert log.end_offset(OBJECTS_TOPIC, 0) == 0
