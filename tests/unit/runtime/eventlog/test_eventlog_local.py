import os
import resource
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from attune.services.runtime.eventlog.errors import OffsetOutOfRangeError, PartitionCountError
from attune.services.runtime.eventlog.framing import Frame
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.partition_reader import SparseIndex
from attune.services.runtime.eventlog.port import Entry, Record
from attune.services.runtime.eventlog.segment import Place, Window, locked

Read = Callable[..., list[Record]]
Append = Callable[..., list[int]]


def test_segments_roll_and_are_named_by_their_first_offset(
    append: Append, read_all: Read, root: Path, topic: str
) -> None:
    for number in range(10):
        append(f"{number}".encode() * 100, segment_bytes=400)
    names = sorted(path.stem for path in (root / topic / "0").glob("*.log"))
    assert [int(name) for name in names] == [0, 2, 4, 6, 8]
    assert all(len(name) == 20 for name in names)
    for offset in range(10):
        assert [record.offset for record in read_all(offset)] == list(range(offset, 10))


def test_a_batch_larger_than_a_segment_stays_whole(append: Append, read_all: Read, root: Path, topic: str) -> None:
    append(b"a")
    append(*[b"b" * 100] * 5, segment_bytes=100)
    assert [int(path.stem) for path in sorted((root / topic / "0").glob("*.log"))] == [0, 1]
    assert len(read_all()) == 6


def test_an_empty_new_segment_from_a_crash_while_rolling_is_used(
    append: Append, read_all: Read, segment: Path, root: Path, topic: str
) -> None:
    append(b"a", b"b")
    segment.with_name(f"{2:020d}.log").touch()
    assert LocalEventLog(root).end_offset(topic, 0) == 2
    assert append(b"c") == [2]
    assert [record.value for record in read_all()] == [b"a", b"b", b"c"]


def test_one_fsync_makes_a_batch_durable(
    root: Path, topic: str, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LocalEventLog(root)
    log.append(topic, [Entry(b"k", b"warm")], now)
    synced: list[int] = []
    fsync = os.fsync

    def counting(descriptor: int) -> None:
        synced.append(descriptor)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counting)
    log.append(topic, [Entry(b"k", b"v")] * 50, now)
    assert len(synced) == 1


def test_a_full_disk_leaves_no_half_record(root: Path, topic: str, now: datetime, read_all: Read) -> None:
    log = LocalEventLog(root)
    log.append(topic, [Entry(b"k", b"before")], now)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            log.append(topic, [Entry(b"k", bytes(1500)), Entry(b"k", bytes(1500))], now)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [record.value for record in read_all()] == [b"before"]
    assert log.append(topic, [Entry(b"k", b"after")], now)[0].offset == 1


def test_another_partition_count_than_on_disk_is_refused(root: Path, topic: str, now: datetime) -> None:
    LocalEventLog(root, partitions=2).append(topic, [Entry(b"k", b"v")], now)
    with pytest.raises(PartitionCountError, match=r"2 partition\(s\) on disk and 1 in the configuration; configure 2"):
        LocalEventLog(root).poll(topic, 0, 0, 1, 1, 0)
    with pytest.raises(PartitionCountError):
        LocalEventLog(root, partitions=3).append(topic, [Entry(b"k", b"v")], now)


def test_no_partitions_is_no_log(root: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LocalEventLog(root, partitions=0)


def test_reading_creates_nothing(root: Path, topic: str) -> None:
    log = LocalEventLog(root)
    log.poll(topic, 0, 0, 1, 1, 0)
    log.end_offset(topic, 0)
    log.redact(topic, b"k")
    assert not root.exists()


def test_threads_of_one_log_append_without_losing_records(
    root: Path, topic: str, now: datetime, read_all: Read
) -> None:
    log = LocalEventLog(root)
    offsets: list[int] = []

    def write(name: str) -> None:
        for number in range(20):
            offsets.extend(p.offset for p in log.append(topic, [Entry(b"k", f"{name}{number}".encode())], now))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(offsets) == list(range(80))
    assert len({record.value for record in read_all()}) == 80


def test_readers_and_a_writer_at_once_see_a_growing_prefix(root: Path, topic: str, now: datetime) -> None:
    writer = LocalEventLog(root, segment_bytes=2000)
    seen: dict[str, list[int]] = {"a": [], "b": []}

    def follow(name: str) -> None:
        log = LocalEventLog(root)
        while len(seen[name]) < 100:
            records = log.poll(topic, 0, len(seen[name]), 7, 1 << 20, timeout_s=30)
            assert all(record.value == b"%d" % record.offset for record in records)
            seen[name].extend(record.offset for record in records)

    threads = [threading.Thread(target=follow, args=(name,)) for name in seen]
    for thread in threads:
        thread.start()
    for number in range(100):
        writer.append(topic, [Entry(b"k", b"%d" % number)], now)
    for thread in threads:
        thread.join(timeout=30)
    assert seen == {"a": list(range(100)), "b": list(range(100))}


def test_a_reader_does_not_look_past_an_append_in_progress(
    root: Path, topic: str, now: datetime, segment: Path
) -> None:
    log = LocalEventLog(root)
    log.append(topic, [Entry(b"k", b"one")], now)
    end: list[int] = []
    with locked(segment.parent, exclusive=True):
        reader = threading.Thread(target=lambda: end.append(log.end_offset(topic, 0)))
        reader.start()
        reader.join(timeout=0.1)
        assert end == []
    reader.join(timeout=10)
    assert end == [1]


def test_a_log_that_was_deleted_under_its_reader_is_noticed(
    root: Path, topic: str, now: datetime, segment: Path
) -> None:
    log = LocalEventLog(root)
    log.append(topic, [Entry(b"k", b"v")] * 5, now)
    segment.unlink()
    with pytest.raises(OffsetOutOfRangeError, match="belongs to another log"):
        log.poll(topic, 0, 5, 1, 1, 0)


def test_a_log_that_shrank_under_its_writer_is_read_anew(root: Path, topic: str, now: datetime, segment: Path) -> None:
    log = LocalEventLog(root)
    log.append(topic, [Entry(b"k", b"1")], now)
    size = segment.stat().st_size
    log.append(topic, [Entry(b"k", b"2")], now)
    os.truncate(segment, size)
    assert log.append(topic, [Entry(b"k", b"3")], now)[0].offset == 1


def test_a_reader_does_not_scan_from_zero_every_time(
    root: Path, topic: str, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LocalEventLog(root)
    log.append(topic, [Entry(b"k", bytes(200))] * 2000, now)
    log.end_offset(topic, 0)
    visited: list[int] = []
    frame_at = Window.frame_at

    def counting(window: Window, position: int) -> Frame | None:
        visited.append(position)
        return frame_at(window, position)

    monkeypatch.setattr(Window, "frame_at", counting)
    assert log.poll(topic, 0, 1700, 1, 1 << 20, 0)[0].offset == 1700
    assert log.end_offset(topic, 0) == 2000
    assert len(visited) < 60


def test_the_index_remembers_a_place_every_four_kilobytes() -> None:
    index = SparseIndex(base_offset=100)
    for number in range(100):
        index.learn(Frame(number * 1000, False, 100 + number, 0, b"", 0, 0))
    assert index.floor(100) == Place(100, 0)
    assert index.floor(107) == Place(105, 5000)
    assert index.floor(99) == Place(100, 0)
    assert index.last() == Place(195, 95_000)


def test_a_window_reads_any_span_and_stops_at_the_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = os.urandom(600_000)
    path.write_bytes(data)
    with path.open("rb") as file:
        window = Window(file.fileno(), 550_000)
        for position, length in ((0, 10), (400_000, 300_000), (5, 5), (549_999, 10), (550_000, 1), (560_000, 1)):
            assert window.read(position, length) == data[:550_000][position : position + length]


def test_an_intact_frame_is_found_behind_garbage(append: Append, segment: Path) -> None:
    append(b"one")
    second = segment.stat().st_size
    append(b"two")
    with segment.open("rb") as file:
        window = Window(file.fileno(), segment.stat().st_size)
        assert window.has_frame_after(0)
        assert not window.has_frame_after(second)
        assert not Window(file.fileno(), segment.stat().st_size - 1).has_frame_after(0)
