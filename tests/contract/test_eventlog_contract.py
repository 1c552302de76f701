"""What every event log does, whichever engine is behind the port."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attune.services.runtime.eventlog.errors import (
    InvalidTopicError,
    LogClosedError,
    OffsetOutOfRangeError,
    RecordTooLargeError,
    UnknownPartitionError,
)
from attune.services.runtime.eventlog.framing import MAX_ENTRY_BYTES
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, EventLog, Position, Record

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
TOPIC = "attune.interactions.v1"
ENGINES: dict[str, Callable[[Path, int], EventLog]] = {"local": LocalEventLog}


@pytest.fixture(params=ENGINES)
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., EventLog]]:
    opened: list[EventLog] = []

    def open_one(partitions: int = 1) -> EventLog:
        opened.append(ENGINES[request.param](tmp_path / "log", partitions))
        return opened[-1]

    yield open_one
    for log in opened:
        log.close()


@pytest.fixture
def log(open_log: Callable[..., EventLog]) -> EventLog:
    return open_log()


def entry(number: int, key: bytes = b"acme/ada") -> Entry:
    return Entry(key, f"value {number}".encode(), (("ce_id", f"event-{number}".encode()),))


def read_all(log: EventLog, partition: int = 0, offset: int = 0) -> list[Record]:
    return log.poll(TOPIC, partition, offset, max_records=10_000, max_bytes=1 << 30, timeout_s=0)


def test_a_record_comes_back_with_everything_that_went_in(log: EventLog) -> None:
    assert log.append(TOPIC, [Entry(b"k", b"\x00\xffv", (("a", b"1"), ("a", b""), ("ü", b"2")))], NOW) == [
        Position(TOPIC, 0, 0)
    ]
    expected_ms = int(NOW.timestamp() * 1000)
    headers = (("a", b"1"), ("a", b""), ("ü", b"2"))
    assert read_all(log) == [Record(TOPIC, 0, 0, expected_ms, b"k", b"\x00\xffv", headers)]


def test_offsets_count_from_zero_across_calls(log: EventLog) -> None:
    first = log.append(TOPIC, [entry(0), entry(1)], NOW)
    second = log.append(TOPIC, [entry(2)], NOW + timedelta(seconds=1))
    assert [position.offset for position in first + second] == [0, 1, 2]
    assert [record.value for record in read_all(log)] == [b"value 0", b"value 1", b"value 2"]
    assert log.end_offset(TOPIC, 0) == 3


def test_the_timestamp_is_the_time_of_the_append(log: EventLog) -> None:
    log.append(TOPIC, [entry(0)], NOW)
    log.append(TOPIC, [entry(1)], NOW + timedelta(milliseconds=1))
    first, second = read_all(log)
    assert second.timestamp_ms - first.timestamp_ms == 1


def test_a_topic_nobody_wrote_is_empty(log: EventLog) -> None:
    assert log.end_offset(TOPIC, 0) == 0
    assert read_all(log) == []
    assert log.redact(TOPIC, b"k") == 0


def test_appending_nothing_is_allowed(log: EventLog) -> None:
    assert log.append(TOPIC, [], NOW) == []
    assert log.end_offset(TOPIC, 0) == 0


def test_topics_do_not_mix(log: EventLog) -> None:
    log.append(TOPIC, [entry(0)], NOW)
    log.append("attune.interactions.v1.dlq", [entry(1)], NOW)
    assert [record.value for record in read_all(log)] == [b"value 0"]


def test_polling_starts_at_the_offset(log: EventLog) -> None:
    log.append(TOPIC, [entry(number) for number in range(500)], NOW)
    for offset in (0, 1, 250, 499):
        assert [record.offset for record in read_all(log, offset=offset)] == list(range(offset, 500))


def test_max_records_bounds_a_poll(log: EventLog) -> None:
    log.append(TOPIC, [entry(number) for number in range(5)], NOW)
    assert [record.offset for record in log.poll(TOPIC, 0, 1, 2, 1 << 20, 0)] == [1, 2]


def test_max_bytes_bounds_a_poll_but_one_record_always_comes(log: EventLog) -> None:
    log.append(TOPIC, [Entry(b"k", bytes(1000)) for _ in range(4)], NOW)
    assert len(log.poll(TOPIC, 0, 0, 10, max_bytes=1, timeout_s=0)) == 1
    assert len(log.poll(TOPIC, 0, 0, 10, max_bytes=2002, timeout_s=0)) == 2
    assert len(log.poll(TOPIC, 0, 0, 10, max_bytes=2001, timeout_s=0)) == 1


@pytest.mark.parametrize("offset", [-1, 3, 1000])
def test_an_offset_outside_the_log_is_an_error(log: EventLog, offset: int) -> None:
    log.append(TOPIC, [entry(0), entry(1)], NOW)
    with pytest.raises(OffsetOutOfRangeError, match=f"offset {offset} .* outside 0 to 2"):
        read_all(log, offset=offset)


def test_polling_at_the_end_returns_nothing_after_the_timeout(log: EventLog) -> None:
    log.append(TOPIC, [entry(0)], NOW)
    started = time.monotonic()
    assert log.poll(TOPIC, 0, 1, 10, 1 << 20, timeout_s=0.1) == []
    assert 0.09 <= time.monotonic() - started < 5


def test_a_waiting_poll_wakes_for_new_records(log: EventLog, open_log: Callable[..., EventLog]) -> None:
    log.append(TOPIC, [entry(0)], NOW)
    seen: list[Record] = []
    reader = threading.Thread(target=lambda: seen.extend(log.poll(TOPIC, 0, 1, 10, 1 << 20, timeout_s=30)))
    reader.start()
    open_log().append(TOPIC, [entry(1)], NOW)
    reader.join(timeout=10)
    assert [record.value for record in seen] == [b"value 1"]


def test_closing_wakes_a_waiting_poll_and_refuses_further_calls(log: EventLog) -> None:
    reader = threading.Thread(target=lambda: log.poll(TOPIC, 0, 0, 10, 1 << 20, timeout_s=60))
    reader.start()
    log.close()
    reader.join(timeout=10)
    assert not reader.is_alive()
    with pytest.raises(LogClosedError):
        log.append(TOPIC, [entry(0)], NOW)
    with pytest.raises(LogClosedError):
        read_all(log)


def test_records_outlive_the_log_object(log: EventLog, open_log: Callable[..., EventLog]) -> None:
    log.append(TOPIC, [entry(0)], NOW)
    log.close()
    reopened = open_log()
    assert reopened.append(TOPIC, [entry(1)], NOW) == [Position(TOPIC, 0, 1)]
    assert [record.value for record in read_all(reopened)] == [b"value 0", b"value 1"]


def test_a_key_stays_in_its_partition_and_in_order(open_log: Callable[..., EventLog]) -> None:
    log = open_log(partitions=3)
    entries = [entry(number, key=f"user-{number % 7}".encode()) for number in range(70)]
    positions = log.append(TOPIC, entries, NOW)
    records = {
        (partition, record.offset): record for partition in range(3) for record in read_all(log, partition=partition)
    }
    assert len({position.partition for position in positions}) == 3
    for given_entry, position in zip(entries, positions, strict=True):
        assert records[position.partition, position.offset].value == given_entry.value
    for key in {given_entry.key for given_entry in entries}:
        mine = [record for record in records.values() if record.key == key]
        assert len({record.partition for record in mine}) == 1
        assert [record.value for record in mine] == [e.value for e in entries if e.key == key]


def test_partitions_are_counted_and_checked(open_log: Callable[..., EventLog]) -> None:
    log = open_log(partitions=3)
    assert log.partition_count(TOPIC) == 3
    for partition in (-1, 3):
        with pytest.raises(UnknownPartitionError, match="has partitions 0 to 2"):
            log.end_offset(TOPIC, partition)


@pytest.mark.parametrize("topic", ["", ".", "..", "a/b", "../up", "ünder", "a" * 250, "line\n"])
def test_a_bad_topic_name_is_refused_everywhere(log: EventLog, topic: str) -> None:
    for call in (
        lambda: log.append(topic, [entry(0)], NOW),
        lambda: log.poll(topic, 0, 0, 1, 1, 0),
        lambda: log.end_offset(topic, 0),
        lambda: log.redact(topic, b"k"),
    ):
        with pytest.raises(InvalidTopicError, match="use 1 to 249"):
            call()


def test_an_entry_too_large_leaves_nothing_of_its_batch(log: EventLog) -> None:
    largest = Entry(b"k", bytes(MAX_ENTRY_BYTES - 1))
    with pytest.raises(RecordTooLargeError, match=f"entry of {MAX_ENTRY_BYTES + 1} bytes"):
        log.append(TOPIC, [largest, Entry(b"kk", bytes(MAX_ENTRY_BYTES - 1))], NOW)
    assert log.end_offset(TOPIC, 0) == 0
    log.append(TOPIC, [largest], NOW)
    assert len(read_all(log)) == 1


def test_now_needs_a_time_zone(log: EventLog) -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        log.append(TOPIC, [entry(0)], datetime(2026, 5, 4))  # noqa: DTZ001  # the bad input under test


def test_redacting_removes_one_key_and_keeps_every_offset(log: EventLog) -> None:
    log.append(TOPIC, [entry(0, b"ada"), entry(1, b"bea"), entry(2, b"ada"), entry(3, b"bea")], NOW)
    assert log.redact(TOPIC, b"ada") == 2
    assert [(record.offset, record.key) for record in read_all(log)] == [(1, b"bea"), (3, b"bea")]
    assert log.end_offset(TOPIC, 0) == 4
    assert log.append(TOPIC, [entry(4, b"ada")], NOW) == [Position(TOPIC, 0, 4)]
    assert [record.offset for record in read_all(log, offset=2)] == [3, 4]


def test_redacting_twice_finds_nothing_the_second_time(log: EventLog) -> None:
    log.append(TOPIC, [entry(0), entry(1, b"other")], NOW)
    assert [log.redact(TOPIC, b"acme/ada"), log.redact(TOPIC, b"acme/ada")] == [1, 0]
    assert log.redact(TOPIC, b"nobody") == 0


def test_a_poll_of_redacted_records_only_waits_for_live_ones(log: EventLog) -> None:
    log.append(TOPIC, [entry(0)], NOW)
    log.redact(TOPIC, b"acme/ada")
    assert log.poll(TOPIC, 0, 0, 10, 1 << 20, timeout_s=0.05) == []


entries_strategy = st.lists(
    st.builds(
        Entry,
        key=st.sampled_from([b"", b"a", b"b"]),
        value=st.binary(max_size=300),
        headers=st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3).map(tuple),
    ),
    max_size=6,
)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=40, deadline=None)
@given(
    batches=st.lists(entries_strategy, max_size=6), forgotten=st.sets(st.sampled_from([b"a", b"b"])), at=st.floats(0, 1)
)
def test_any_appends_and_redactions_read_back(
    engine: str, batches: list[list[Entry]], forgotten: set[bytes], at: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = ENGINES[engine](tmp_path_factory.mktemp("log"), 1)
    for batch in batches:
        log.append(TOPIC, batch, NOW)
    for key in forgotten:
        log.redact(TOPIC, key)
    everything = [one for batch in batches for one in batch]
    start = round(at * len(everything))
    expected = [
        (n, e.key, e.value, e.headers) for n, e in enumerate(everything) if e.key not in forgotten and n >= start
    ]
    assert [(r.offset, r.key, r.value, r.headers) for r in read_all(log, offset=start)] == expected
    assert log.end_offset(TOPIC, 0) == len(everything)
