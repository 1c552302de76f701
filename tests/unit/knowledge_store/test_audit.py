"""What an audit counts, on stores small enough to count by hand."""

import json

import pytest
from tests.unit.knowledge_store.builders import ANNA, BEN, START, TWIN, days, line, projected

from attune.knowledge_store.audit import audit
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.codec import DIGEST_BYTES, encode
from attune.knowledge_store.junk import Rule
from attune.knowledge_store.model import LinkedEntity, UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_sqlite import SqliteStore

CATALOG = Catalog.load(
    [line("q1", "Colorado", ["CO"]), line("q2", "print"), line("q3", "Jazz"), line("q4", "jazz"), line("q5", "1984")]
)


@pytest.fixture
def store():
    opened = MemoryStore()
    opened.apply([projected("1", "q1", "q2", "gone"), projected("2", "q3", "q4", at=days(1))])
    opened.apply([projected("3", "q3", user=BEN, weight=0.05), projected("4", "q1", user=BEN, weight=-1.0)])
    opened.apply([projected("5", user=TWIN)])
    opened.forget_entity(BEN, "q2", days(1))
    opened.remember_objects("acme", {"d": [LinkedEntity("q1", 1.0)]})
    return opened


def test_everything_is_counted(store):
    found = audit(store, CATALOG, days(1))
    assert (found.users, found.entities, found.events, found.tombstones, found.objects) == (3, 7, 5, 1, 1)
    assert (found.duplicates, found.negative, found.decayed_away) == (1, 1, 0)
    assert found.bytes_of_records == sum(
        len(encode(record)) + DIGEST_BYTES * record.events for _, record in store.users()
    )
    assert found.bytes_on_disk is None


def test_junk_is_counted_once_however_many_rules_hold(store):
    found = audit(store, CATALOG, days(1))
    assert {rule: found.by_rule[rule].total() for rule in Rule if found.by_rule[rule]} == {
        Rule.ORPHANED: 1,
        Rule.COMMON_WORD: 1,
        Rule.FAINT: 1,
    }
    assert found.examples(Rule.ORPHANED) == ["gone"]
    assert found.examples(Rule.FAINT) == ["Jazz"]
    assert found.junk == 3
    assert found.junk_rate == 3 / 7
    assert found.junk_by_any_alias == 5  # and Colorado, twice


def test_what_was_read_counts_beside_the_label(store):
    def read(user: UserKey, entity_id: str) -> list[str]:
        return ["co"] if (user, entity_id) == (ANNA, "q1") else []

    found = audit(store, CATALOG, days(1), read)
    assert found.junk == 4
    assert found.examples(Rule.SHORT) == ["Colorado"]


def test_weights_decay_until_now(store):
    assert audit(store, CATALOG, days(30 * 8)).decayed_away == 6  # 2^-7 is below a hundredth


def test_entities_a_user_are_told_by_quantiles():
    store = MemoryStore()
    for number in range(100):
        store.apply(
            [projected("1", *(f"e{each}" for each in range(number + 1)), user=UserKey("acme", f"u{number:02}"))]
        )
    figures = audit(store, CATALOG, START).as_dict()
    assert figures["entities_per_user"] == {"min": 1, "median": 50, "p95": 95, "max": 100}


def test_an_empty_store_has_no_junk():
    figures = audit(MemoryStore(), CATALOG, START).as_dict()
    assert (figures["junk_rate"], figures["bytes_of_records_per_user"]) == (0, 0)
    assert figures["entities_per_user"] == {"min": 0, "median": 0, "p95": 0, "max": 0}


def test_a_report_names_no_user(store):
    text = json.dumps(audit(store, CATALOG, START).as_dict())
    assert "anna" not in text
    assert "acme" not in text


def test_bytes_on_disk_are_told_where_there_is_a_disk(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    store.apply([projected("1", "q1"), projected("1", "q1", user=BEN)])
    figures = audit(store, CATALOG, START).as_dict()
    assert figures["bytes_on_disk"] > 4096
    assert figures["bytes_on_disk_per_user"] == figures["bytes_on_disk"] / 2
    store.close()
