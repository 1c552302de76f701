"""What is Kafka's own: gaps of offsets, records without value, transactions, retention, other people's producers."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition
from tests.fakes.kafka import until

from attune.services.runtime.consents import CONSENTS_TOPIC
from attune.services.runtime.eventlog.errors import OffsetOutOfRangeError, RecordTooLargeError
from attune.services.runtime.eventlog.kafka_log import KafkaEventLog
from attune.services.runtime.eventlog.port import Entry, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC
from attune.services.runtime.removals import REMOVALS_TOPIC
from attune.services.runtime.state_topics import every_record

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
COMPACTED_NOW = {
    "segment_ms": 200,
    "max_compaction_lag_ms": 200,
    "min_cleanable_dirty_ratio": 0.0,
    "delete_retention_ms": 0,
}


def offsets(log: KafkaEventLog, topic: str, offset: int = 0) -> list[int]:
    return [record.offset for record in log.poll(topic, 0, offset, 10_000, 1 << 30, timeout_s=0)]


def compacted(log: KafkaEventLog, topic: str, live: list[bytes]) -> None:
    """Wait until only these values are left. The segment that is written to is never compacted: others must follow."""

    def is_done() -> bool:
        log.append(topic, [Entry(b"roll", b"roll")], NOW)
        values = [each.value for each in every_record(log, topic) if each.value != b"roll"]
        return values == live

    until(is_done, limit_s=60)


def test_of_a_user_the_newest_choice_is_left_and_polls_pass_the_gaps(log: KafkaEventLog, alter: Callable[..., None]):
    alter(CONSENTS_TOPIC, **COMPACTED_NOW)
    entries = [Entry(f"acme/{number % 3}".encode(), f"{number}".encode()) for number in range(30)]
    log.append(CONSENTS_TOPIC, entries, NOW)
    compacted(log, CONSENTS_TOPIC, [b"27", b"28", b"29"])
    assert offsets(log, CONSENTS_TOPIC)[:3] == [27, 28, 29]
    assert [log.poll(CONSENTS_TOPIC, 0, start, 1, 1, 0)[0].offset for start in (1, 26, 27, 29)] == [27, 27, 27, 29]


def test_each_removal_outlives_compaction_until_it_is_redacted(log: KafkaEventLog, alter: Callable[..., None]):
    alter(REMOVALS_TOPIC, **COMPACTED_NOW)
    log.append(REMOVALS_TOPIC, [Entry(b"acme/ada", b"one"), Entry(b"acme/ada", b"two"), Entry(b"acme/bea", b"x")], NOW)
    compacted(log, REMOVALS_TOPIC, [b"one", b"two", b"x"])
    assert log.redact(REMOVALS_TOPIC, b"acme/ada") == 2
    compacted(log, REMOVALS_TOPIC, [b"x"])
    assert log.redact(REMOVALS_TOPIC, b"acme/ada") == 0


def test_a_topic_that_ends_with_nulls_is_read_to_its_end(log: KafkaEventLog, foreign: Callable[..., Any]):
    log.append(CONSENTS_TOPIC, [Entry(b"acme/ada", b"granted")], NOW)
    others = foreign()
    for _ in range(3):
        others.send(CONSENTS_TOPIC, key=b"acme/ada", value=None).get(10)
    assert log.end_offset(CONSENTS_TOPIC, 0) == 4
    assert offsets(log, CONSENTS_TOPIC) == [0]
    assert offsets(log, CONSENTS_TOPIC, 1) == []
    assert [record.value for record in every_record(log, CONSENTS_TOPIC)] == [b"granted"]


def test_what_a_producer_took_back_was_never_there(log: KafkaEventLog, foreign: Callable[..., Any]):
    others = foreign(transactional_id="attune-test")
    others.init_transactions()
    for number, end in enumerate((others.commit_transaction, others.abort_transaction, others.abort_transaction)):
        others.begin_transaction()
        others.send(TOPIC, key=b"acme/ada", value=b"%d" % number).get(10)
        end()
    until(lambda: log.end_offset(TOPIC, 0) == 6)  # each transaction leaves a marker behind
    assert [(each.offset, each.value) for each in every_record(log, TOPIC)] == [(0, b"0")]
    assert offsets(log, TOPIC, 1) == []
    assert log.append(TOPIC, [Entry(b"acme/ada", b"next")], NOW)[0].offset == 6
    assert offsets(log, TOPIC, 1) == [6]


def test_an_open_transaction_is_not_read_past(log: KafkaEventLog, foreign: Callable[..., Any]):
    others = foreign(transactional_id="attune-test-open")
    others.init_transactions()
    others.begin_transaction()
    others.send(TOPIC, key=b"acme/ada", value=b"undecided").get(10)
    log.append(TOPIC, [Entry(b"acme/ada", b"behind it")], NOW)
    assert (log.end_offset(TOPIC, 0), offsets(log, TOPIC)) == (0, [])
    others.commit_transaction()
    until(lambda: log.end_offset(TOPIC, 0) == 3)
    assert offsets(log, TOPIC) == [0, 1]


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_other_producers_compress_and_leave_things_out(log: KafkaEventLog, foreign: Callable[..., Any], codec: str):
    pytest.importorskip({"snappy": "snappy", "lz4": "lz4", "zstd": "zstandard"}.get(codec, "gzip"))
    others = foreign(compression_type=codec)
    others.send(TOPIC, key=None, value=b"v" * 1000, headers=[("empty", b"")], timestamp_ms=1).get(10)
    (record,) = log.poll(TOPIC, 0, 0, 10, 1 << 20, timeout_s=0)
    dated = record.timestamp_ms
    assert record == Record(TOPIC, 0, 0, dated, b"", b"v" * 1000, (("empty", b""),))
    assert dated > 1  # by the broker, whatever the producer says


def test_other_producers_choose_the_same_partition(log: KafkaEventLog, foreign: Callable[..., Any], admin, connection):
    admin.create_partitions({TOPIC: 7})
    others, again = foreign(), KafkaEventLog(connection)
    keys = [f"acme/user-{number}".encode() for number in range(40)]
    theirs = [others.send(TOPIC, key=key, value=b"").get(10).partition for key in keys]
    ours = [each.partition for each in again.append(TOPIC, [Entry(key, b"") for key in keys], NOW)]
    again.close()
    assert ours == theirs
    assert set(ours) == set(range(7))


def test_reading_begins_where_retention_has_left_something(log: KafkaEventLog, admin: KafkaAdminClient):
    log.append(TOPIC, [Entry(b"acme/ada", b"%d" % number) for number in range(5)], NOW)
    admin.delete_records({TopicPartition(TOPIC, 0): 3})
    assert [offsets(log, TOPIC, start) for start in (0, 2, 3, 4)] == [[3, 4], [3, 4], [3, 4], [4]]
    admin.delete_records({TopicPartition(TOPIC, 0): 5})
    assert (offsets(log, TOPIC), offsets(log, TOPIC, 4), log.end_offset(TOPIC, 0)) == ([], [], 5)
    with pytest.raises(OffsetOutOfRangeError, match="outside 0 to 5"):
        log.poll(TOPIC, 0, 6, 10, 1, timeout_s=0.3)


def test_dead_letters_may_be_as_large_as_an_event_and_say_why(log: KafkaEventLog):
    largest = Entry(b"k", bytes(1024 * 1024 - 1))
    log.append(TOPIC, [largest], NOW)
    log.append(DEAD_LETTER_TOPIC, [Entry(largest.key, largest.value, (("attune_reason", bytes(1000)),))], NOW)
    assert len(log.poll(DEAD_LETTER_TOPIC, 0, 0, 10, 1, timeout_s=0)) == 1


def test_thousands_of_headers_are_counted_as_kafka_does_and_refused_before_anything_is_written(log: KafkaEventLog):
    heads = tuple(("", b"") for _ in range(600_000))
    with pytest.raises(RecordTooLargeError):
        log.append(TOPIC, [Entry(b"k", b"small"), Entry(b"k", b"", heads)], NOW)
    assert log.end_offset(TOPIC, 0) == 0
