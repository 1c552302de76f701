"""Feedback made in Python: a request as the contract has it, or the name of what is wrong."""

import pytest

from attune.search.v1 import search_pb2 as pb
from attune.services.client import feedback
from attune.services.runtime.validation import Validation


@pytest.mark.parametrize(
    ("request_", "correction"),
    [
        (feedback("ada", document="d", verdict="relevant"), None),
        (feedback("ada", session="s", document="d", placement="none"), "placement"),
        (feedback("ada", session="s", document="d", placement="pinned", simulated=True), "placement"),
        (feedback("ada", session="s", not_about=["e"]), "not_about"),
        (feedback("ada", session="s", document="d", not_about=[]), "not_about"),
        (feedback("ada", session="s", part="x", replacement="y"), "query"),
    ],
)
def test_what_is_said_is_valid_and_of_one_stage(request_: pb.SubmitFeedbackRequest, correction: str | None) -> None:
    assert Validation().violations(request_) == []
    assert request_.WhichOneof("correction") == correction
    assert request_.request_id


def test_who_says_so_is_always_told() -> None:
    assert feedback("ada", document="d", verdict="relevant").source == pb.FEEDBACK_SOURCE_PERSON
    assert feedback("ada", document="d", verdict="relevant", simulated=True).source == pb.FEEDBACK_SOURCE_SIMULATED


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"verdict": "good"}, "verdict is 'good': give one of relevant, irrelevant"),
        ({"placement": "top"}, "placement is 'top'"),
        ({"placement": "pinned", "part": "x"}, "one by one"),
        ({"not_about": [], "placement": "pinned"}, "one by one"),
    ],
)
def test_what_is_wrong_is_said(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        feedback("ada", document="d", **fields)  # type: ignore[arg-type]


def test_nothing_said_is_refused_by_the_contract() -> None:
    (violation,) = Validation().violations(feedback("ada", document="d"))
    assert violation.field == "verdict"
