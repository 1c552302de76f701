"""Reading one partition from any offset, without the writer's help."""

import os
import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from attune.services.runtime.eventlog.errors import OffsetOutOfRangeError
from attune.services.runtime.eventlog.framing import (
    FLAG_AT,
    REDACTED,
    Frame,
    body_is_intact,
    decode_body,
    entry_bytes,
)
from attune.services.runtime.eventlog.port import Record
from attune.services.runtime.eventlog.segment import (
    Place,
    Segment,
    Window,
    locked,
    opened,
    require_torn_tail,
    snapshot,
    walk,
)

_INDEX_EVERY_BYTES = 4096  # Kafka's default index.interval.bytes


class SparseIndex:
    """For one segment: the place of a frame every few KiB, learnt while reading."""

    def __init__(self, base_offset: int) -> None:
        self._places = [Place(base_offset, 0)]

    def learn(self, frame: Frame) -> None:
        if frame.position >= self._places[-1].position + _INDEX_EVERY_BYTES:
            self._places.append(Place(frame.offset, frame.position))

    def floor(self, offset: int) -> Place:
        """The nearest known place at or before `offset`, at least the segment's start."""
        return self._places[max(0, bisect_right(self._places, offset, key=lambda place: place.offset) - 1)]

    def last(self) -> Place:
        return self._places[-1]


class PartitionReader:
    """Reads what was durable at the moment of the call; the lock is held only to see how far that goes."""

    def __init__(self, topic: str, partition: int, directory: Path) -> None:
        self._topic = topic
        self._partition = partition
        self._directory = directory
        self._indexes: dict[int, SparseIndex] = {}
        self._mutex = threading.Lock()

    def read(self, offset: int, max_records: int, max_bytes: int) -> list[Record]:
        """What `LogReader.poll` returns when it does not wait."""
        with self._mutex:
            segments = self._segments()
            records = _within(self._records(segments, offset), max_records, max_bytes)
            if offset < 0 or not records:
                self._check_range(offset, self._end(segments))
            return records

    def end_offset(self) -> int:
        with self._mutex:
            return self._end(self._segments())

    def growth_mark(self) -> tuple[str, int]:
        """Changes when something was appended: name and size of the last segment, read without the lock."""
        try:
            last = max(self._directory.glob("*.log"), default=None)
            return ("", 0) if last is None else (last.name, last.stat().st_size)
        except FileNotFoundError:
            return "", 0

    def _segments(self) -> list[Segment]:
        if not self._directory.exists():
            return []
        with locked(self._directory, exclusive=False):
            return snapshot(self._directory)

    def _index(self, segment: Segment) -> SparseIndex:
        return self._indexes.setdefault(segment.base_offset, SparseIndex(segment.base_offset))

    def _records(self, segments: list[Segment], offset: int) -> Iterator[Record]:
        first = bisect_right(segments, offset, key=lambda segment: segment.base_offset) - 1
        for segment in segments[max(0, first) :]:
            index = self._index(segment)
            with opened(segment.path) as descriptor:
                window = Window(descriptor, segment.size)
                for frame in walk(segment, window, index.floor(offset)):
                    index.learn(frame)
                    if frame.offset >= offset and not frame.redacted:
                        body = window.body(frame)
                        if body_is_intact(frame, body):
                            yield self._record(frame, body)
                        elif not _redacted_meanwhile(descriptor, frame):
                            require_torn_tail(segment, window, frame.position, "the record's checksum is wrong")

    def _record(self, frame: Frame, body: bytes) -> Record:
        value, headers = decode_body(body)
        return Record(self._topic, self._partition, frame.offset, frame.timestamp_ms, frame.key, value, headers)

    def _end(self, segments: list[Segment]) -> int:
        if not segments:
            return 0
        segment = segments[-1]
        index = self._index(segment)
        end = index.last().offset
        with opened(segment.path) as descriptor:
            for frame in walk(segment, Window(descriptor, segment.size), index.last()):
                index.learn(frame)
                end = frame.offset + 1
        return end

    def _check_range(self, offset: int, end: int) -> None:
        if not 0 <= offset <= end:
            raise OffsetOutOfRangeError(self._topic, self._partition, offset, end)


def _within(records: Iterator[Record], max_records: int, max_bytes: int) -> list[Record]:
    """The first records that fit; one at least, so that a large record cannot stop its reader for ever."""
    taken: list[Record] = []
    size = 0
    for record in islice(records, max_records):
        size += entry_bytes(record.key, record.value, record.headers)
        if taken and size > max_bytes:
            break
        taken.append(record)
    return taken


def _redacted_meanwhile(descriptor: int, frame: Frame) -> bool:
    """Whether the body changed under the reader because it is being redacted: the flag is set before the body."""
    return os.pread(descriptor, 1, frame.position + FLAG_AT) == bytes((REDACTED,))
