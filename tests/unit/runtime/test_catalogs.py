import gc
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs
from tests.e2e.conftest import wait_until
from tests.unit.knowledge_store.builders import ANNA, START, line

from attune.knowledge.v1.knowledge_pb2 import RetrieveEntitiesRequest
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.knowledge.retrieving import retrieve as retrieve_entities
from attune.services.runtime.catalogs import CatalogWatcher, load_catalog


@pytest.fixture(autouse=True)
def every_level() -> Iterator[None]:
    """Whatever level another test has set."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "c.jsonl", line("a", "Anna"))
    return tmp_path / "c.jsonl"


def write(path: Path, *lines: str) -> None:
    path.write_text("".join(f"{each}\n" for each in lines), "utf-8")


def knowledge_of(path: Path) -> Knowledge:
    loaded = load_catalog(path)
    return Knowledge(loaded.catalog, loaded.graph, loaded.linker, MemoryStore())


def looked(path: Path, knowledge: Knowledge, watcher: CatalogWatcher) -> list[str]:
    """What two looks tell the log."""
    with capture_logs() as told:
        watcher.look(knowledge)
        watcher.look(knowledge)
    return [each["event"] for each in told]


def test_a_changed_file_takes_the_place_of_the_old_one_as_a_whole(path):
    watcher, knowledge = CatalogWatcher(path, 0), knowledge_of(path)
    old = knowledge.loaded
    assert looked(path, knowledge, watcher) == []
    write(path, line("b", "Ben", near=["c"]), line("c", "Cas"))
    assert looked(path, knowledge, watcher) == ["catalog loaded"]
    assert [mention.entity_id for mention in knowledge.linker.link("Anna and Ben")] == ["b"]
    assert "b" in knowledge.catalog
    assert knowledge.graph.degree("b") == 1
    assert [mention.entity_id for mention in old.linker.link("Anna and Ben")] == ["a"]  # for who holds it


@pytest.mark.parametrize("wrong", ["{", line("a") + "\n" + line("a"), '{"merged": "a", "into": "a"}'])
def test_a_bad_file_is_told_once_and_the_old_one_stays_until_it_is_mended(path, wrong):
    watcher, knowledge = CatalogWatcher(path, 0), knowledge_of(path)
    old = knowledge.loaded
    write(path, wrong)
    with capture_logs() as told:
        watcher.look(knowledge)
        watcher.look(knowledge)
        watcher.look(knowledge)
    assert [(each["log_level"], each["version"]) for each in told] == [("error", old.catalog.version)]
    assert "c.jsonl, line" in told[0]["reason"]
    assert knowledge.loaded is old
    write(path, line("b", "Ben"))
    assert looked(path, knowledge, watcher) == ["catalog loaded"]


def test_an_empty_file_takes_no_entities_away(path):
    watcher, knowledge = CatalogWatcher(path, 0), knowledge_of(path)
    old = knowledge.loaded
    write(path)
    with capture_logs() as told:
        watcher.look(knowledge)
        watcher.look(knowledge)
    assert [each["log_level"] for each in told] == ["error"]
    assert "c.jsonl: there is no entity in it" in told[0]["reason"]
    assert knowledge.loaded is old


def test_a_start_without_entities_takes_the_first(path):
    write(path)
    watcher, knowledge = CatalogWatcher(path, 0), knowledge_of(path)
    os.utime(path, (1, 1))
    assert looked(path, knowledge, watcher) == []
    write(path, line("b", "Ben"))
    assert looked(path, knowledge, watcher) == ["catalog loaded"]


def test_a_file_that_is_still_being_written_is_not_read(path):
    watcher, knowledge = CatalogWatcher(path, 0), knowledge_of(path)
    for size in range(1, 5):
        write(path, *(line(f"e{number}", f"Entity {number}") for number in range(size)))
        watcher.look(knowledge)
        assert len(knowledge.catalog) == 1
    watcher.look(knowledge)
    assert len(knowledge.catalog) == 4


def test_a_file_that_says_the_same_changes_nothing(path):
    watcher, knowledge = CatalogWatcher(path, 0), knowledge_of(path)
    old = knowledge.loaded
    os.utime(path, (1, 1))
    assert looked(path, knowledge, watcher) == []
    assert knowledge.loaded is old


def test_a_file_that_is_gone_changes_nothing_until_it_is_back(path):
    watcher, knowledge = CatalogWatcher(path, 0), knowledge_of(path)
    path.unlink()
    assert looked(path, knowledge, watcher) == []
    assert len(knowledge.catalog) == 1
    write(path, line("b"), line("c"))
    assert looked(path, knowledge, watcher) == ["catalog loaded"]


def test_a_change_between_loading_and_watching_is_seen(path):
    watcher, knowledge = CatalogWatcher(path, 0), knowledge_of(path)
    write(path, line("b", "Ben"))
    assert looked(path, knowledge, watcher) == ["catalog loaded"]


def test_a_thread_looks_by_itself_until_it_is_stopped(path):
    watcher, knowledge = CatalogWatcher(path, 0.01), knowledge_of(path)
    before = set(threading.enumerate())
    watcher.start(knowledge)
    (thread,) = set(threading.enumerate()) - before
    write(path, line("b", "Ben"))
    wait_until(lambda: "b" in knowledge.catalog)
    watcher.stop()
    wait_until(lambda: not thread.is_alive())


def test_a_catalog_that_is_loaded_when_the_watcher_is_stopped_is_not_taken(path):
    watcher, knowledge = CatalogWatcher(path, 0), knowledge_of(path)
    write(path, line("b", "Ben"))
    watcher.stop()
    assert looked(path, knowledge, watcher) == []
    assert "a" in knowledge.catalog


def test_a_call_in_flight_ends_on_the_version_that_it_began_with(path, monkeypatch):
    watcher, knowledge = CatalogWatcher(path, 0), knowledge_of(path)
    write(path, line("b", "Anna"))
    link_together = Linker.link_together

    def changing(self, texts):
        looked(path, knowledge, watcher)
        return link_together(self, texts)

    monkeypatch.setattr(Linker, "link_together", changing)
    old, seen = knowledge.graph, []

    def retrieve(_states, graph, *_others: object, **_options: object):
        seen.append(graph)
        return []

    monkeypatch.setattr("attune.knowledge_store.knowledge.retrieve", retrieve)
    answer = retrieve_entities(knowledge, ANNA, RetrieveEntitiesRequest(query="Anna"), START)
    assert answer.context_entity_ids == ["a"]
    assert "b" in knowledge.catalog
    assert seen == [old]


def test_what_was_replaced_is_freed_although_the_start_was_left_out_of_collections(path):
    watcher, knowledge = CatalogWatcher(path, 0), knowledge_of(path)
    gc.freeze()
    try:
        old = weakref.ref(knowledge.graph)
        write(path, line("b", "Ben"))
        looked(path, knowledge, watcher)
        assert old() is None
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
