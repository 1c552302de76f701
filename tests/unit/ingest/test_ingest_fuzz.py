"""Whatever a record holds, it becomes an event or a dead letter, and nothing breaks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from attune.services.cli.measure.ingest.fuzz import NOW, Fuzzed, fuzzed
from attune.services.ingest.batch import sort_out
from attune.services.runtime.eventlog.framing import check_size
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.events import TOPIC
from attune.services.runtime.validation import Validation

VALIDATION = Validation()
NOW_MS = int(NOW.timestamp() * 1000)


def record(offset: int, one: Fuzzed) -> Record:
    return Record(TOPIC, 0, offset, NOW_MS, one.entry.key, one.entry.value, one.entry.headers)


def test_two_thousand_records_each_become_what_they_must() -> None:
    all_of_them = list(fuzzed(seed=8, number=2000))
    assert len({each.kind for each in all_of_them}) == 17
    for offset, one in enumerate(all_of_them):
        check_size(one.entry)
        batch = sort_out([record(offset, one)], VALIDATION)
        assert len(batch.interactions) + len(batch.dead_letters) == 1
        assert batch.reasons.total() == len(batch.dead_letters)
        if one.is_event is not None:
            assert bool(batch.interactions) == one.is_event, (one.kind, offset)
        for letter in batch.dead_letters:
            assert (letter.key, letter.value) == (one.entry.key, one.entry.value)
            assert letter.headers[: len(one.entry.headers)] == one.entry.headers


def test_the_same_seed_makes_the_same_records() -> None:
    assert list(fuzzed(3, 50)) == list(fuzzed(3, 80))[:50]
    assert list(fuzzed(3, 50)) != list(fuzzed(4, 50))


header = st.tuples(
    st.sampled_from(["content-type", "ce_type", "ce_id", "ce_specversion", "ce_dataschema", "other"]),
    st.one_of(st.sampled_from([b"application/json", b"org.opensearch.ubi.event.v1", b"1.0"]), st.binary(max_size=12)),
)
values = st.one_of(
    st.binary(max_size=80),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ).map(lambda value: repr(value).replace("'", '"').encode(errors="replace")),
)


@settings(deadline=None, max_examples=200)
@given(
    key=st.binary(max_size=20),
    value=values,
    headers=st.lists(header, max_size=4).map(tuple),
    timestamp_ms=st.integers(-(2**63), 2**63 - 1),
)
def test_no_record_breaks_the_sorting(
    key: bytes, value: bytes, headers: tuple[tuple[str, bytes], ...], timestamp_ms: int
) -> None:
    batch = sort_out([Record(TOPIC, 0, 1, timestamp_ms, key, value, headers)], VALIDATION)
    assert len(batch.interactions) + len(batch.dead_letters) == 1
