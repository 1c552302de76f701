import json

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import ANNA, START, days, state, untimed

from attune.knowledge_store.consent import NO_CHOICE, Choice, Consents, Purpose
from attune.knowledge_store.model import EntityState, EventKind, Source, Summary
from attune.knowledge_store.privacy import FORMAT, decode_counts, encode_counts, export_records
from attune.knowledge_store.record import UserRecord
from attune.knowledge_store.store_model import Suppressed
from attune.knowledge_store.tombstones import Tombstones

counts = st.dictionaries(st.tuples(st.sampled_from(EventKind), st.sampled_from(Source)), st.integers(1, 10**6))


def record_of(*states: EntityState, suppressed: Suppressed) -> UserRecord:
    held = {each.entity_id: each for each in states}
    return UserRecord(3, START, days(1), days(1), held, suppressed=suppressed)


@untimed
@given(counts)
def test_counts_come_back_as_they_were(held):
    encoded = encode_counts(held)
    assert decode_counts(json.loads(json.dumps(encoded))) == held


@untimed
@given(st.permutations(sorted((kind, Source.QUERY) for kind in EventKind)))
def test_equal_counts_are_written_equally_whatever_came_first(order):
    written = json.dumps(encode_counts(dict.fromkeys(order, 1)))
    assert written == json.dumps(encode_counts(dict.fromkeys(sorted(order), 1)))


def test_a_stranger_exports_one_record_without_any_value():
    (record,) = export_records(ANNA, UserRecord(), Tombstones(), NO_CHOICE, None)
    assert (record["record"], record["format"], record["events"], record["entities"]) == ("profile", FORMAT, 0, 0)
    assert (record["first_seen"], record["last_seen"], record["forgotten_at"]) == (None, None, None)


def test_the_records_are_json_in_the_documented_order():
    tombstones = Tombstones(days(0), {"z": days(2), "y": days(1)})
    record = record_of(state("b", weight=2.0), state("a"), suppressed=Suppressed((b"\x00\xff",), days(3)))
    consents = Consents.of([Choice(days(4), Purpose.RANKING, False)])
    summary = Summary("Also: a.", 2, 3, days(5), "store")
    records = list(export_records(ANNA, record, tombstones, consents, summary))
    assert json.loads(json.dumps(records)) == records
    assert [record["record"] for record in records] == [
        "profile",
        "entity",
        "entity",
        "forgotten_entity",
        "forgotten_entity",
        "suppressed_suggestion",
        "suppressed_history",
        "consent",
        "summary",
    ]
    assert [record.get("entity_id") for record in records[1:5]] == ["b", "a", "y", "z"]
    assert records[5]["fingerprint"] == "00ff"
    assert records[6]["until"] == "2026-01-04T00:00:00+00:00"


def test_every_time_says_its_zone():
    record = record_of(state("a"), suppressed=Suppressed((), days(3)))
    consents = Consents.of([Choice(days(4), Purpose.RANKING, False)])
    summary = Summary("Also: a.", 2, 3, days(5), "store")
    records = export_records(ANNA, record, Tombstones(days(0), {"z": days(2)}), consents, summary)
    times = [
        value
        for record in records
        for name, value in record.items()
        if name in {"until", "at"} or (name.endswith(("_seen", "_at")) and value is not None)
    ]
    assert len(times) == 9
    assert all(value.endswith("+00:00") for value in times)
