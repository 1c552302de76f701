"""Page tokens: opaque, and of use only to the request they were made for."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.runtime.errors import ServiceError
from attune.services.runtime.paging import decode_token, encode_token, fingerprint

ANY = lambda _position: True  # noqa: E731 - shorter than a function
REQUEST = fingerprint(["Search", "default", "query"])


def test_the_first_page_has_no_token() -> None:
    assert decode_token("", REQUEST, ANY) is None


@given(st.one_of(st.integers(0, 10**9), st.text(max_size=20), st.lists(st.floats(0, 1), min_size=1, max_size=2)))
def test_a_token_comes_back_as_it_was_made(position: object) -> None:
    assert decode_token(encode_token(position, REQUEST), REQUEST, ANY) == position


def test_a_token_of_another_request_is_refused() -> None:
    token = encode_token(10, fingerprint(["Search", "default", "another query"]))
    with pytest.raises(ServiceError, match="page_token: was made for another request"):
        decode_token(token, REQUEST, ANY)


@given(st.text(min_size=1, max_size=60))
def test_a_damaged_token_is_refused(token: str) -> None:
    with pytest.raises(ServiceError, match="page_token"):
        decode_token(token, REQUEST, ANY)


@pytest.mark.parametrize("content", [b"[]", b"1", b"{}", b"[1,2,3]", b"null", b"\xff"])
def test_a_token_of_another_shape_is_refused(content: bytes) -> None:
    with pytest.raises(ServiceError, match="page_token"):
        decode_token(base64.urlsafe_b64encode(content).decode(), REQUEST, ANY)


def test_parts_do_not_run_into_each_other() -> None:
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])


def test_a_position_of_another_kind_is_refused() -> None:
    with pytest.raises(ServiceError, match="page_token: is damaged"):
        decode_token(encode_token(-5, REQUEST), REQUEST, lambda position: position >= 0)
