"""Segment files of one partition: their names, their lock, and walking their frames.

A segment is named by the offset of its first record, 20 digits, as Kafka names them. Only the last segment grows, so
only its tail can be torn: a bad frame anywhere else, or with an intact frame behind it, is corruption.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from attune.services.runtime.eventlog.errors import LogCorruptedError
from attune.services.runtime.eventlog.framing import HEAD, MAGIC, Frame, checked_frame, decode_head

_SUFFIX = ".log"
_LOCK = "lock"
_READ_AHEAD = 256 * 1024


class Segment(NamedTuple):
    """One file; `size` in bytes as of the snapshot; `sealed` when a later segment exists."""

    path: Path
    base_offset: int
    size: int
    sealed: bool


class Place(NamedTuple):
    """A frame boundary: the record with this offset starts (or will start) at this byte."""

    offset: int
    position: int


@contextmanager
def locked(directory: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the partition's lock, across processes and threads: exclusive to change files, shared to take a snapshot."""
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def segment_path(directory: Path, base_offset: int) -> Path:
    return directory / f"{base_offset:020d}{_SUFFIX}"


def snapshot(directory: Path) -> list[Segment]:
    """The partition's segments in order of offset; the caller holds the lock, so every byte counted is durable."""
    paths = sorted(directory.glob(f"*{_SUFFIX}"))
    return [
        Segment(path, int(path.stem), path.stat().st_size, sealed=number < len(paths))
        for number, path in enumerate(paths, start=1)
    ]


class Window:
    """Buffered reads at a position, never past the segment's size at the snapshot."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._start = 0
        self._buffer = b""

    def read(self, position: int, length: int) -> bytes:
        """`length` bytes from `position`, fewer where the segment ends."""
        length = max(0, min(length, self._size - position))
        at = position - self._start
        if at < 0 or at + length > len(self._buffer):
            ahead = min(max(length, _READ_AHEAD), self._size - position)
            self._buffer = os.pread(self._descriptor, ahead, position) if length else b""
            self._start, at = position, 0
        return self._buffer[at : at + length]

    def frame_at(self, position: int) -> Frame | None:
        """The complete frame with an intact head at `position`, or None."""
        raw = self.read(position, HEAD.size)
        head = decode_head(raw)
        if head is None:
            return None
        key = self.read(position + HEAD.size, head.key_length)
        frame = checked_frame(raw, head, key, position)
        return frame if frame is not None and frame.end <= self._size else None

    def body(self, frame: Frame) -> bytes:
        return self.read(frame.body_position, frame.body_length)

    def has_frame_after(self, position: int) -> bool:
        """Whether any intact frame starts behind `position`."""
        at = position + 1
        while at < self._size:
            chunk = self.read(at, _READ_AHEAD)
            found = chunk.find(MAGIC)
            if found < 0:
                at += max(1, len(chunk) - len(MAGIC) + 1)
            elif self.frame_at(at + found) is not None:
                return True
            else:
                at += found + 1
        return False


def walk(segment: Segment, window: Window, start: Place) -> Iterator[Frame]:
    """Frames from `start` to the end of the segment or to its torn tail.

    Raises LogCorruptedError at a damaged head that is no torn tail, and where offsets skip.
    """
    offset, position = start.offset, start.position
    while position < segment.size:
        frame = window.frame_at(position)
        if frame is None:
            require_torn_tail(segment, window, position, "no intact record starts there")
            return
        if frame.offset != offset:
            raise LogCorruptedError(segment.path, position, f"offset {frame.offset} stands where {offset} belongs")
        yield frame
        offset, position = offset + 1, frame.end


def require_torn_tail(segment: Segment, window: Window, position: int, reason: str) -> None:
    """Raise LogCorruptedError unless what starts at `position` is the rest of an append that a crash cut short."""
    if segment.sealed or window.has_frame_after(position):
        raise LogCorruptedError(segment.path, position, reason)
