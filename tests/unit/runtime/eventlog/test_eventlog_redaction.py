"""Redaction erases bytes, not only views of them, and may stop anywhere."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from attune.services.runtime.eventlog.errors import LogCorruptedError
from attune.services.runtime.eventlog.framing import FLAG_AT, REDACTED
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Record

Read = Callable[..., list[Record]]
Append = Callable[..., list[int]]


def test_the_bytes_are_gone_from_the_file(root: Path, topic: str, now: datetime, segment: Path) -> None:
    log = LocalEventLog(root)
    log.append(topic, [Entry(b"ada", b"secret query", (("ce_source", b"secret page"),)), Entry(b"bea", b"kept")], now)
    size = segment.stat().st_size
    log.redact(topic, b"ada")
    data = segment.read_bytes()
    assert len(data) == size
    assert b"secret" not in data
    assert b"ce_source" not in data
    assert b"kept" in data


def test_every_segment_is_searched(root: Path, topic: str, now: datetime) -> None:
    log = LocalEventLog(root, segment_bytes=200)
    for number in range(12):
        log.append(topic, [Entry(b"ada" if number % 2 else b"bea", f"secret {number % 2}".encode() * 10)], now)
    segments = sorted((root / topic / "0").glob("*.log"))
    assert len(segments) > 2
    assert log.redact(topic, b"ada") == 6
    assert not any(b"secret 1" in path.read_bytes() for path in segments)
    assert [record.offset for record in log.poll(topic, 0, 0, 100, 1 << 20, 0)] == [0, 2, 4, 6, 8, 10]


def test_a_crash_after_the_flag_is_finished_by_the_next_call(
    append: Append, read_all: Read, root: Path, topic: str, segment: Path
) -> None:
    append(b"secret one", key=b"ada")
    second = segment.stat().st_size
    append(b"secret two", key=b"ada")
    append(b"kept", key=b"bea")
    with segment.open("r+b") as file:
        file.seek(second + FLAG_AT)
        file.write(bytes((REDACTED,)))
        file.seek(second + FLAG_AT + 50)
        file.write(bytes(3))
    assert [record.offset for record in read_all()] == [0, 2]
    log = LocalEventLog(root)
    assert log.redact(topic, b"ada") == 2
    assert log.redact(topic, b"ada") == 0
    assert b"secret" not in segment.read_bytes()
    assert [record.value for record in read_all()] == [b"kept"]


def test_a_reader_that_knew_the_record_skips_it_after_redaction(root: Path, topic: str, now: datetime) -> None:
    reader, writer = LocalEventLog(root), LocalEventLog(root)
    writer.append(topic, [Entry(b"ada", b"1"), Entry(b"bea", b"2")], now)
    assert len(reader.poll(topic, 0, 0, 10, 100, 0)) == 2
    writer.redact(topic, b"ada")
    assert [record.offset for record in reader.poll(topic, 0, 0, 10, 100, 0)] == [1]


def test_redacted_records_at_the_end_do_not_confuse_the_writer(
    append: Append, read_all: Read, root: Path, topic: str
) -> None:
    append(b"one", key=b"ada")
    LocalEventLog(root).redact(topic, b"ada")
    assert append(b"two") == [1]
    assert [record.offset for record in read_all()] == [1]


def test_a_torn_tail_does_not_hinder_redaction(append: Append, root: Path, topic: str, segment: Path) -> None:
    append(b"secret", key=b"ada")
    append(b"torn", key=b"ada")
    os.truncate(segment, segment.stat().st_size - 2)
    assert LocalEventLog(root).redact(topic, b"ada") == 1
    assert b"secret" not in segment.read_bytes()


def test_corruption_stops_redaction_loudly(append: Append, root: Path, topic: str, segment: Path) -> None:
    append(b"one")
    append(b"two")
    with segment.open("r+b") as file:
        file.write(b"XX")
    with pytest.raises(LogCorruptedError, match="corrupted at byte 0"):
        LocalEventLog(root).redact(topic, b"k")


def test_only_the_partition_of_the_key_is_touched(root: Path, topic: str, now: datetime) -> None:
    log = LocalEventLog(root, partitions=4)
    keys = [f"user-{number}".encode() for number in range(20)]
    positions = log.append(topic, [Entry(key, b"v") for key in keys], now)
    assert log.redact(topic, keys[3]) == 1
    left = [record.key for partition in range(4) for record in log.poll(topic, partition, 0, 99, 1 << 20, 0)]
    assert sorted(left) == sorted(key for key in keys if key != keys[3])
    assert log.end_offset(topic, positions[3].partition) == sum(
        p.partition == positions[3].partition for p in positions
    )
