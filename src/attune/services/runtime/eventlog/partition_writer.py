"""Appending to one partition, by any number of processes and threads."""

import os
from collections.abc import Sequence
from pathlib import Path

from attune.services.runtime.eventlog.framing import Frame, body_is_intact, encode_frame
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.eventlog.segment import (
    Place,
    Segment,
    Window,
    locked,
    opened,
    require_torn_tail,
    segment_path,
    snapshot,
    walk,
)


class PartitionWriter:
    """Finds the end of the log under the lock, since another process may have appended, and writes there.

    The end found last is kept: usually nothing lies behind it and nothing has to be read.
    """

    def __init__(self, directory: Path, segment_bytes: int) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._known_base = -1
        self._known_end = Place(0, 0)

    def append(self, entries: Sequence[Entry], timestamp_ms: int) -> int:
        """Write the entries and fsync once; return the offset of the first."""
        with locked(self._directory, exclusive=True):
            segment, end = self._recover()
            data, last = _encode(entries, end, timestamp_ms)
            if end.position and end.position + len(data) > self._segment_bytes:
                segment = self._create_segment(end.offset)
                end = Place(end.offset, 0)
                data, last = _encode(entries, end, timestamp_ms)
            _write_durably(segment.path, end.position, data)
            self._known_base, self._known_end = segment.base_offset, last
            return end.offset

    def _recover(self) -> tuple[Segment, Place]:
        """The last segment and its end, a torn tail cut off."""
        segments = snapshot(self._directory)
        segment = segments[-1] if segments else self._create_segment(0)
        known = segment.base_offset == self._known_base and segment.size >= self._known_end.position
        start = self._known_end if known else Place(segment.base_offset, 0)
        if known and segment.size == start.position:
            return segment, start
        end = _end_of_intact_records(segment, start)
        # Also without a torn tail: a writer that was killed between write and fsync left records to make durable.
        with opened(segment.path, os.O_RDWR) as descriptor:
            os.ftruncate(descriptor, end.position)
            os.fsync(descriptor)
        return segment, end

    def _create_segment(self, base_offset: int) -> Segment:
        path = segment_path(self._directory, base_offset)
        with opened(path, os.O_WRONLY | os.O_CREAT):
            pass
        sync_directory(self._directory)
        return Segment(path, base_offset, 0, sealed=False)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    with opened(directory) as descriptor:
        os.fsync(descriptor)


def _encode(entries: Sequence[Entry], end: Place, timestamp_ms: int) -> tuple[bytes, Place]:
    data = bytearray()
    for number, entry in enumerate(entries):
        data += encode_frame(entry, end.offset + number, timestamp_ms, end.position + len(data))
    return bytes(data), Place(end.offset + len(entries), end.position + len(data))


def _write_durably(path: Path, position: int, data: bytes) -> None:
    with opened(path, os.O_WRONLY) as descriptor:
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], position + written)
            os.fsync(descriptor)
        except OSError:
            # Nobody was told of these records: a full disk must not leave half of them behind.
            os.ftruncate(descriptor, position)
            raise


def _end_of_intact_records(segment: Segment, start: Place) -> Place:
    with opened(segment.path) as descriptor:
        window = Window(descriptor, segment.size)
        end = start
        for frame in walk(segment, window, start):
            if not _is_readable(frame, window):
                require_torn_tail(segment, window, frame.position, "the record's checksum is wrong")
                break
            end = Place(frame.offset + 1, frame.end)
        return end


def _is_readable(frame: Frame, window: Window) -> bool:
    return frame.redacted or body_is_intact(frame, window.body(frame))
