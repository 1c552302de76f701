"""The error model: every status carries ErrorInfo, and what a program needs to act on it."""

import grpc
from google.rpc import error_details_pb2

from attune.services.runtime.errors import invalid, not_found, overloaded


def test_an_invalid_field_carries_its_path() -> None:
    status = invalid("inputs[3].text", "is empty").to_status()
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert (status.code, status.message) == (3, "inputs[3].text: is empty")
    assert (info.reason, info.domain) == ("INVALID_FIELD", "attune")
    assert bad.field_violations[0].field == "inputs[3].text"


def test_overload_says_when_to_come_back() -> None:
    status = overloaded("the queue is full", 1.5).to_status()
    retry = error_details_pb2.RetryInfo()
    assert status.details[1].Unpack(retry)
    assert (status.code, retry.retry_delay.ToMilliseconds()) == (8, 1500)


def test_the_sentence_is_what_str_gives() -> None:
    assert str(not_found("no such document")) == "no such document"
    assert not_found("x").code is grpc.StatusCode.NOT_FOUND
