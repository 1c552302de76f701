"""Erasing what a key wrote, in place.

First the flag of every such record, made durable; then the bodies, made durable. A crash between the two leaves
flagged records with bytes in their bodies, which no reader shows; the next call finds and erases them.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from attune.services.runtime.eventlog.framing import FLAG_AT, REDACTED, Frame
from attune.services.runtime.eventlog.segment import Place, Segment, Window, locked, opened, snapshot, walk


def redact_key(directory: Path, key: bytes) -> int:
    """Erase value and headers of every record of the partition with this key; return how many had any left."""
    with locked(directory, exclusive=True):
        return sum(_redact_segment(segment, key) for segment in snapshot(directory))


def _redact_segment(segment: Segment, key: bytes) -> int:
    with opened(segment.path, os.O_RDWR) as descriptor:
        frames = list(_unerased(segment, descriptor, key))
        if frames:
            for frame in frames:
                os.pwrite(descriptor, bytes((REDACTED,)), frame.position + FLAG_AT)
            os.fsync(descriptor)
            for frame in frames:
                os.pwrite(descriptor, bytes(frame.body_length), frame.body_position)
            os.fsync(descriptor)
        return len(frames)


def _unerased(segment: Segment, descriptor: int, key: bytes) -> Iterator[Frame]:
    window = Window(descriptor, segment.size)
    for frame in walk(segment, window, Place(segment.base_offset, 0)):
        if frame.key == key and (not frame.redacted or any(window.body(frame))):
            yield frame
