import io
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.embeddings.errors import TextError, UnknownDomainError
from attune.embeddings.workers.frames import FrameReceiver, encode_frame, read_frame

values = st.lists(st.one_of(st.text(), st.binary(max_size=200), st.integers()), max_size=8)


@given(values, st.integers(1, 64))
def test_frames_survive_any_cutting_of_the_stream(sent, size):
    received = []
    receiver = FrameReceiver(received.append, lambda: None)
    stream = b"".join(encode_frame(value) for value in sent)
    for start in range(0, len(stream), size):
        receiver.data_received(stream[start : start + size])
    assert received == sent


@given(values)
def test_a_blocking_reader_gets_the_same(sent):
    stream = io.BytesIO(b"".join(encode_frame(value) for value in sent))
    assert [read_frame(stream) for _ in sent] == sent


@pytest.mark.parametrize("kept", [0, 3, 8, 10])
def test_a_broken_stream_is_an_end(kept):
    with pytest.raises(EOFError, match="closed the connection"):
        read_frame(io.BytesIO(encode_frame("some text")[:kept]))


def test_a_lost_connection_is_told():
    told = []
    FrameReceiver(told.append, lambda: told.append("lost")).connection_lost(None)
    assert told == ["lost"]


def test_the_errors_of_texts_travel_whole():
    text_error = pickle.loads(pickle.dumps(TextError(3, "too long")))  # noqa: S301 - our own
    assert (text_error.index, text_error.reason) == (3, "too long")
    domain_error = pickle.loads(pickle.dumps(UnknownDomainError("x", ["b", "a"])))  # noqa: S301 - our own
    assert (domain_error.domain, domain_error.known) == ("x", ("a", "b"))
