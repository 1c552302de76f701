"""The bytes of one record in a segment file.

    magic 4 | flag 1 | offset 8 | timestamp 8 | key length 4 | body length 4 | body crc 4 | head crc 4 | key | body

Little-endian. The body holds value and headers. The head crc32 covers offset to body crc and the key, and starts from
the frame's position in the file, so that a copy of a frame inside somebody's value is never taken for a frame.
The flag is outside both checksums: setting it is one byte's write, which a crash cannot tear, and a redacted body is
not checked any more. Its two values differ in all eight bits.
"""

import struct
import zlib
from typing import NamedTuple

from attune.services.runtime.eventlog.errors import RecordTooLargeError
from attune.services.runtime.eventlog.port import Entry

MAGIC = b"\xa7ATL"
LIVE, REDACTED = 0x00, 0xFF
FLAG_AT = len(MAGIC)
MAX_ENTRY_BYTES = 1024 * 1024  # Kafka's default message.max.bytes, so that both engines refuse the same entries

HEAD = struct.Struct("<4sBQqIIII")
_CHECKED = struct.Struct("<QqIII")  # the part of the head under its own crc
_CHECKED_AT = FLAG_AT + 1
_CHECKED_END = _CHECKED_AT + _CHECKED.size
_LENGTH = struct.Struct("<I")

Headers = tuple[tuple[str, bytes], ...]


class Head(NamedTuple):
    """The fixed part of a frame, as read and not yet checked against its crc."""

    magic: bytes
    flag: int
    offset: int
    timestamp_ms: int
    key_length: int
    body_length: int
    body_crc: int
    crc: int


class Frame(NamedTuple):
    """A frame whose head is intact; `position` is its first byte in the segment file."""

    position: int
    redacted: bool
    offset: int
    timestamp_ms: int
    key: bytes
    body_length: int
    body_crc: int

    @property
    def body_position(self) -> int:
        return self.position + HEAD.size + len(self.key)

    @property
    def end(self) -> int:
        return self.body_position + self.body_length


def entry_bytes(key: bytes, value: bytes, headers: Headers) -> int:
    """The size that limits count: key, value, header names and header values."""
    return len(key) + len(value) + sum(len(name.encode()) + len(content) for name, content in headers)


def check_size(entry: Entry) -> None:
    """Raise RecordTooLargeError for an entry above MAX_ENTRY_BYTES."""
    size = entry_bytes(entry.key, entry.value, entry.headers)
    if size > MAX_ENTRY_BYTES:
        raise RecordTooLargeError(size, MAX_ENTRY_BYTES)


def encode_frame(entry: Entry, offset: int, timestamp_ms: int, position: int) -> bytes:
    body = _encode_body(entry)
    checked = _CHECKED.pack(offset, timestamp_ms, len(entry.key), len(body), zlib.crc32(body))
    crc = _LENGTH.pack(_head_crc(checked, entry.key, position))
    return b"".join((MAGIC, bytes((LIVE,)), checked, crc, entry.key, body))


def decode_head(raw: bytes) -> Head | None:
    """The head in these HEAD.size bytes; None where magic, flag or key length cannot be one's."""
    if len(raw) < HEAD.size:
        return None
    head = Head._make(HEAD.unpack(raw))
    plausible = head.magic == MAGIC and head.flag in (LIVE, REDACTED) and head.key_length <= MAX_ENTRY_BYTES
    return head if plausible else None


def checked_frame(raw: bytes, head: Head, key: bytes, position: int) -> Frame | None:
    """The frame of an intact head (`raw` as read at `position`) and its key; None where the crc says otherwise."""
    if _head_crc(raw[_CHECKED_AT:_CHECKED_END], key, position) != head.crc:
        return None
    return Frame(position, head.flag == REDACTED, head.offset, head.timestamp_ms, key, head.body_length, head.body_crc)


def body_is_intact(frame: Frame, body: bytes) -> bool:
    return len(body) == frame.body_length and zlib.crc32(body) == frame.body_crc


def decode_body(body: bytes) -> tuple[bytes, Headers]:
    """Value and headers of an intact body."""
    value, at = _take(body, 0)
    (count,) = _LENGTH.unpack_from(body, at)
    at += _LENGTH.size
    headers = []
    for _ in range(count):
        name, at = _take(body, at)
        content, at = _take(body, at)
        headers.append((name.decode(), content))
    return value, tuple(headers)


def _encode_body(entry: Entry) -> bytes:
    parts = [_LENGTH.pack(len(entry.value)), entry.value, _LENGTH.pack(len(entry.headers))]
    for name, content in entry.headers:
        encoded = name.encode()
        parts += [_LENGTH.pack(len(encoded)), encoded, _LENGTH.pack(len(content)), content]
    return b"".join(parts)


def _take(body: bytes, at: int) -> tuple[bytes, int]:
    (length,) = _LENGTH.unpack_from(body, at)
    start = at + _LENGTH.size
    return body[start : start + length], start + length


def _head_crc(checked: bytes, key: bytes, position: int) -> int:
    return zlib.crc32(key, zlib.crc32(checked, position & 0xFFFFFFFF))
