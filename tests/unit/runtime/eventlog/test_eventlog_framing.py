import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.runtime.eventlog.errors import RecordTooLargeError
from attune.services.runtime.eventlog.framing import (
    HEAD,
    MAX_ENTRY_BYTES,
    Frame,
    body_is_intact,
    check_size,
    checked_frame,
    decode_body,
    decode_head,
    encode_frame,
    entry_bytes,
)
from attune.services.runtime.eventlog.port import Entry

entries = st.builds(
    Entry,
    key=st.binary(max_size=40),
    value=st.binary(max_size=200),
    headers=st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), max_size=4).map(tuple),
)


def decode(data: bytes, position: int) -> Frame | None:
    head = decode_head(data[: HEAD.size])
    if head is None:
        return None
    return checked_frame(data[: HEAD.size], head, data[HEAD.size : HEAD.size + head.key_length], position)


@given(entries, st.integers(0, 2**60), st.integers(-(2**40), 2**50), st.integers(0, 2**40))
def test_a_frame_decodes_to_what_was_encoded(entry: Entry, offset: int, timestamp_ms: int, position: int) -> None:
    data = encode_frame(entry, offset, timestamp_ms, position)
    frame = decode(data, position)
    assert frame is not None
    assert (frame.offset, frame.timestamp_ms, frame.key, frame.redacted) == (offset, timestamp_ms, entry.key, False)
    assert frame.end - position == len(data)
    body = data[frame.body_position - position :]
    assert body_is_intact(frame, body)
    assert decode_body(body) == (entry.value, entry.headers)


@given(entries, st.integers(0, 2**20), st.data())
def test_any_flipped_bit_is_noticed(entry: Entry, position: int, data: st.DataObject) -> None:
    intact = encode_frame(entry, 7, 1_700_000_000_000, position)
    bit = data.draw(st.integers(0, len(intact) * 8 - 1))
    damaged = bytearray(intact)
    damaged[bit // 8] ^= 1 << bit % 8
    frame = decode(bytes(damaged), position)
    assert frame is None or not body_is_intact(frame, bytes(damaged[frame.body_position - position :]))


@given(entries, st.integers(0, 2**20), st.integers(0, 2**20))
def test_a_frame_counts_only_where_it_was_written(entry: Entry, written: int, read: int) -> None:
    frame = decode(encode_frame(entry, 0, 0, written), read)
    assert (frame is not None) == (written == read)


def test_a_short_head_is_no_frame() -> None:
    data = encode_frame(Entry(b"k", b"v"), 0, 0, 0)
    assert decode_head(data[: HEAD.size - 1]) is None
    assert decode_head(b"") is None


def test_the_size_counts_key_value_and_headers_in_bytes() -> None:
    assert entry_bytes(b"kk", b"vvv", (("ü", b"1234"),)) == 2 + 3 + 2 + 4


def test_the_limit_itself_is_allowed() -> None:
    check_size(Entry(b"", bytes(MAX_ENTRY_BYTES)))
    with pytest.raises(RecordTooLargeError, match="takes at most 1048576; shorten it"):
        check_size(Entry(b"", bytes(MAX_ENTRY_BYTES), (("h", b""),)))
