"""What every event log does, whichever engine is behind the port."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.kafka import delete_topics

from attune.services.runtime.eventlog.errors import (
    InvalidTopicError,
    LogClosedError,
    OffsetOutOfRangeError,
    RecordTooLargeError,
    UnknownPartitionError,
)
from attune.services.runtime.eventlog.framing import MAX_ENTRY_BYTES
from attune.services.runtime.eventlog.kafka_client import KafkaConnection
from attune.services.runtime.eventlog.kafka_log import KafkaEventLog
from attune.services.runtime.eventlog.kafka_topics import Wanted, init_topics
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Erasure, EventLog, Position, Record, epoch_ms

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
TOPIC = "attune.interactions.v1"
DEAD_LETTERS = "attune.interactions.v1.dlq"
REMOVALS = "attune.removals.v1"


class LocalEngine:
    """A directory, and logs opened on it."""

    own_clock = False

    def __init__(self, directory: Path, _servers: str) -> None:
        self._directory = directory

    def open(self, partitions: int) -> EventLog:
        return LocalEventLog(self._directory, partitions)


class KafkaEngine:
    """Topics made anew by the first log that is opened on them."""

    own_clock = True

    def __init__(self, _directory: Path, servers: str) -> None:
        self._connection = KafkaConnection(servers)
        self._is_new = True

    def open(self, partitions: int) -> EventLog:
        if self._is_new:
            delete_topics(self._connection.servers)
            init_topics(self._connection, Wanted(partitions))
            self._is_new = False
        return KafkaEventLog(self._connection)


Engine = LocalEngine | KafkaEngine
ENGINES: dict[str, Callable[[Path, str], Engine]] = {"local": LocalEngine, "kafka": KafkaEngine}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    servers = request.getfixturevalue("kafka_servers") if request.param == "kafka" else ""
    return ENGINES[request.param](tmp_path / "log", servers)


@pytest.fixture
def open_log(engine: Engine) -> Iterator[Callable[..., EventLog]]:
    opened: list[EventLog] = []

    def open_one(partitions: int = 1) -> EventLog:
        opened.append(engine.open(partitions))
        return opened[-1]

    yield open_one
    for log in opened:
        log.close()


@pytest.fixture
def log(open_log: Callable[..., EventLog]) -> EventLog:
    return open_log()


def entry(number: int, key: bytes = b"acme/ada") -> Entry:
    return Entry(key, f"value {number}".encode(), (("ce_id", f"event-{number}".encode()),))


def read_all(log: EventLog, partition: int = 0, offset: int = 0, topic: str = TOPIC) -> list[Record]:
    """All from the offset on, in as many polls as it takes: one gives what the engine has at hand."""
    found: list[Record] = []
    while more := log.poll(topic, partition, offset, max_records=10_000, max_bytes=1 << 30, timeout_s=0):
        found += more
        offset = more[-1].offset + 1
    return found


@pytest.mark.parametrize("topic", [TOPIC, DEAD_LETTERS, REMOVALS])
def test_a_record_comes_back_with_everything_that_went_in(log: EventLog, topic: str) -> None:
    headers = (("a", b"1"), ("a", b""), ("ü", b"2"))
    assert log.append(topic, [Entry(b"k", b"\x00\xffv", headers)], NOW) == [Position(topic, 0, 0)]
    (record,) = read_all(log, topic=topic)
    assert record == Record(topic, 0, 0, record.timestamp_ms, b"k", b"\x00\xffv", headers)


def test_an_entry_may_be_empty_all_over(log: EventLog) -> None:
    log.append(TOPIC, [Entry(b"", b"", (("", b""),))], NOW)
    (record,) = read_all(log)
    assert (record.key, record.value, record.headers) == (b"", b"", (("", b""),))


def test_offsets_count_from_zero_across_calls(log: EventLog) -> None:
    first = log.append(TOPIC, [entry(0), entry(1)], NOW)
    second = log.append(TOPIC, [entry(2)], NOW + timedelta(seconds=1))
    assert [position.offset for position in first + second] == [0, 1, 2]
    assert [record.value for record in read_all(log)] == [b"value 0", b"value 1", b"value 2"]
    assert log.end_offset(TOPIC, 0) == 3


def test_the_timestamp_is_the_time_of_the_append(log: EventLog, engine: Engine) -> None:
    before = datetime.now(UTC)
    log.append(TOPIC, [entry(0)], NOW)
    log.append(TOPIC, [entry(1)], NOW + timedelta(milliseconds=1))
    first, second = read_all(log)
    if engine.own_clock:
        assert epoch_ms(before) <= first.timestamp_ms <= second.timestamp_ms <= epoch_ms(datetime.now(UTC))
    else:
        assert (first.timestamp_ms, second.timestamp_ms) == (epoch_ms(NOW), epoch_ms(NOW) + 1)


def test_a_topic_nobody_wrote_is_empty(log: EventLog) -> None:
    assert log.end_offset(TOPIC, 0) == 0
    assert read_all(log) == []
    assert log.redact(TOPIC, b"k") == 0


def test_appending_nothing_is_allowed(log: EventLog) -> None:
    assert log.append(TOPIC, [], NOW) == []
    assert log.end_offset(TOPIC, 0) == 0


def test_topics_do_not_mix(log: EventLog) -> None:
    log.append(TOPIC, [entry(0)], NOW)
    log.append(DEAD_LETTERS, [entry(1)], NOW)
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
    entries = [entry(number, key=f"user-{number % 20}".encode()) for number in range(200)]
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


@pytest.mark.parametrize("topic", [TOPIC, REMOVALS])
def test_redacting_does_what_the_engine_says_and_keeps_every_offset(log: EventLog, topic: str) -> None:
    log.append(topic, [entry(0, b"ada"), entry(1, b"bea"), entry(2, b"ada"), entry(3, b"bea")], NOW)
    erasure = log.erasure(topic)
    assert log.redact(topic, b"ada") == (0 if erasure is Erasure.BY_RETENTION else 2)
    live = [(record.offset, record.key) for record in read_all(log, topic=topic)]
    everything = [(0, b"ada"), (1, b"bea"), (2, b"ada"), (3, b"bea")]
    assert live == (everything[1::2] if erasure is Erasure.AT_ONCE else everything)
    (position,) = log.append(topic, [entry(4, b"ada")], NOW)
    assert position.offset == (6 if erasure is Erasure.BY_COMPACTION else 4)
    assert [record.offset for record in read_all(log, offset=3, topic=topic)] == [3, position.offset]
    assert log.end_offset(topic, 0) == position.offset + 1


def test_an_engine_erases_what_nothing_else_does(log: EventLog) -> None:
    assert log.erasure(REMOVALS) is not Erasure.BY_RETENTION


@pytest.mark.parametrize("topic", [TOPIC, REMOVALS])
def test_redacting_twice_finds_nothing_the_second_time(log: EventLog, topic: str) -> None:
    log.append(topic, [entry(0), entry(1, b"other")], NOW)
    erased = 0 if log.erasure(topic) is Erasure.BY_RETENTION else 1
    assert [log.redact(topic, b"acme/ada"), log.redact(topic, b"acme/ada")] == [erased, 0]
    assert log.redact(topic, b"nobody") == 0


def test_what_comes_again_after_a_redaction_is_there_and_can_be_redacted(log: EventLog) -> None:
    for _ in range(2):
        (position,) = log.append(REMOVALS, [entry(0)], NOW)
        assert [record.offset for record in read_all(log, offset=position.offset, topic=REMOVALS)] == [position.offset]
        assert log.redact(REMOVALS, b"acme/ada") == 1


def test_one_key_that_begins_another_is_not_redacted_with_it(log: EventLog) -> None:
    keys = [b"a", b"a#", b"a#00000000000000000000000000000000", b"#", b""]
    log.append(REMOVALS, [entry(number, key) for number, key in enumerate(keys)], NOW)
    assert [record.key for record in read_all(log, topic=REMOVALS)] == keys
    assert [log.redact(REMOVALS, key) for key in keys] == [1] * len(keys)


def test_a_poll_of_redacted_records_only_waits_for_live_ones(log: EventLog) -> None:
    (position,) = log.append(REMOVALS, [entry(0)], NOW)
    log.redact(REMOVALS, b"acme/ada")
    offset = position.offset if log.erasure(REMOVALS) is Erasure.AT_ONCE else position.offset + 1
    assert log.poll(REMOVALS, 0, offset, 10, 1 << 20, timeout_s=0.05) == []


def test_threads_that_append_and_poll_at_once_lose_and_mix_nothing(open_log: Callable[..., EventLog]) -> None:
    log = open_log(partitions=3)
    with ThreadPoolExecutor(6) as threads:
        writing = [threads.submit(_append_singly, log, writer) for writer in range(3)]
        reading = [threads.submit(_read_until, log, partition, writing) for partition in range(3)]
        positions = [position for each in writing for position in each.result()]
        records = [record for each in reading for record in each.result()]
    assert sorted((record.partition, record.offset) for record in records) == sorted(
        (position.partition, position.offset) for position in positions
    )
    for writer in range(3):
        mine = [record.value for record in records if record.key == b"writer %d" % writer]
        assert mine == [b"%d" % number for number in range(40)]


def _append_singly(log: EventLog, writer: int) -> list[Position]:
    return [log.append(TOPIC, [Entry(b"writer %d" % writer, b"%d" % each)], NOW)[0] for each in range(40)]


def _read_until(log: EventLog, partition: int, writing: Sequence[Future[Any]]) -> list[Record]:
    found: list[Record] = []
    while True:
        is_last = all(each.done() for each in writing)
        more = log.poll(TOPIC, partition, found[-1].offset + 1 if found else 0, 7, 1 << 20, timeout_s=0.01)
        found += more
        if is_last and not more:
            return found


entries_strategy = st.lists(
    st.builds(
        Entry,
        key=st.sampled_from([b"", b"a", b"b"]),
        value=st.binary(max_size=300),
        headers=st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3).map(tuple),
    ),
    max_size=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(entries_strategy, max_size=6), forgotten=st.sets(st.sampled_from([b"a", b"b"])), at=st.floats(0, 1)
)
def test_any_appends_and_redactions_read_back(
    log: EventLog, batches: list[list[Entry]], forgotten: set[bytes], at: float
) -> None:
    """In one log, each example from where the last one ended; it leaves no live record of a key behind."""
    base = log.end_offset(REMOVALS, 0)
    for batch in batches:
        log.append(REMOVALS, batch, NOW)
    everything = [one for batch in batches for one in batch]
    for key in forgotten:
        assert log.redact(REMOVALS, key) == sum(1 for each in everything if each.key == key)
    erased = forgotten if log.erasure(REMOVALS) is Erasure.AT_ONCE else set()
    start = round(at * len(everything))
    expected = [
        (base + n, e.key, e.value, e.headers) for n, e in enumerate(everything) if e.key not in erased and n >= start
    ]
    found = read_all(log, offset=base + start, topic=REMOVALS)
    assert [(r.offset, r.key, r.value, r.headers) for r in found] == expected
    assert log.end_offset(REMOVALS, 0) >= base + len(everything)
    for key in (b"", b"a", b"b"):
        log.redact(REMOVALS, key)
