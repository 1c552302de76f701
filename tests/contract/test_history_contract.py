"""What every engine of the knowledge store keeps of what users have read and said."""

from dataclasses import replace
from datetime import datetime

import pytest
from tests.unit.knowledge_store.builders import ANNA, BEN, TWIN, content, days, projected

from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.history import History, Noted
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store import Store
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import Projected


def reading(event_id: str, document: str, *about: str, at: datetime, is_rejected: bool = False) -> Projected:
    return replace(projected(event_id, at=at), reading=Noted(document, at, is_rejected, about))


def statement(event_id: str, text: str, *about: str, at: datetime, is_rejected: bool = False) -> Projected:
    return replace(projected(event_id, at=at), statement=Noted(text, at, is_rejected, about))


def read(store: Store, user: UserKey = ANNA) -> list[str]:
    return [each.text for each in store.view(user).history.readings]


def said(store: Store, user: UserKey = ANNA) -> list[str]:
    return [each.text for each in store.view(user).history.statements]


@pytest.fixture
def reader(store: Store) -> Store:
    """Anna has read two documents, turned away from one, and said two things of herself."""
    store.apply(
        [
            reading("1", "d1", "cats", at=days(1)),
            reading("2", "d2", "dogs", "cats", at=days(2)),
            reading("3", "d3", at=days(3), is_rejected=True),
            statement("4", "I like cats.", "cats", at=days(4)),
            statement("5", "I am tired, überall.", at=days(5)),
        ]
    )
    return store


def test_the_history_is_the_users_own_the_newest_first_without_what_was_rejected(reader):
    assert read(reader) == ["d2", "d1"]
    assert said(reader) == ["I am tired, überall.", "I like cats."]
    assert reader.view(BEN).history == reader.view(TWIN).history == History()
    assert [each.at for each in reader.view(ANNA).history.readings] == [days(2), days(1)]


def test_a_repeated_event_brings_no_document_back(reader):
    reader.apply([reading("6", "d1", at=days(6), is_rejected=True), reading("1", "d1", "cats", at=days(7))])
    assert read(reader) == ["d2"]


def test_forgetting_a_user_leaves_nothing_of_the_history_and_no_replay_brings_it_back(reader):
    erased = reader.forget_user(ANNA, days(9))
    assert (erased["readings"], erased["statements"]) == (3, 2)
    reader.apply([reading("1", "d1", "cats", at=days(1)), statement("4", "I like cats.", "cats", at=days(4))])
    assert reader.view(ANNA).history == History()
    assert [record["record"] for record in reader.export(ANNA)] == ["profile"]
    reader.apply([reading("7", "d9", at=days(10))])
    assert read(reader) == ["d9"]


def test_forgetting_an_entity_drops_what_is_mainly_about_it_for_good(reader):
    erased = reader.forget_entity(ANNA, "cats", days(9))
    assert erased == {"entities": 0, "readings": 2, "statements": 1, "summaries": 0}
    reader.apply([replace(reading("1b", "d1", "cats", at=days(1)), logged_at=days(8))])
    assert (read(reader), said(reader)) == ([], ["I am tired, überall."])
    reader.apply([reading("8", "d1", "cats", at=days(10))])
    assert read(reader) == ["d1"]


def test_what_is_said_of_an_entity_under_another_id_is_forgotten_with_it(store):
    store.forget_entity(ANNA, "kitties", days(9))
    about = Noted("d1", days(1), entity_ids=("cats",), other_ids=("kitties",))
    store.apply([replace(projected("1", at=days(1)), reading=about)])
    assert read(store) == []


def test_what_was_read_without_consent_is_not_kept(store):
    store.consent(ANNA, [Choice(days(2), Purpose.LEARNING, granted=False)])
    applied = store.apply([reading("1", "d1", at=days(1)), statement("2", "I like cats.", at=days(3))])
    assert (applied.new, applied.withheld) == (1, 1)
    assert (read(store), said(store)) == (["d1"], [])


def test_what_is_old_expires(reader):
    expired = reader.expire(days(3), dry_run=True)
    assert (expired.readings, expired.statements, expired.users) == (2, 0, 0)
    assert reader.expire(days(3)) == expired
    assert (read(reader), said(reader)) == ([], ["I am tired, überall.", "I like cats."])
    assert reader.expire(days(99)).users == 1
    assert reader.view(ANNA).history == History()


def test_the_export_and_a_dump_have_the_history(reader):
    records = [record for record in reader.export(ANNA) if record["record"] in {"read_document", "statement"}]
    assert [record.get("object_id", record.get("text")) for record in records] == [
        "d3",
        "d2",
        "d1",
        "I am tired, überall.",
        "I like cats.",
    ]
    assert records[0] == {"record": "read_document", "object_id": "d3", "at": days(3).isoformat(), "rejected": True}
    copy = MemoryStore()
    copy.load(list(reader.dump()))
    assert content(copy) == content(reader)
