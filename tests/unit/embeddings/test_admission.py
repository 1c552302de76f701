import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.embeddings.admission import Backlog, refusal
from attune.embeddings.lanes import Lane

counts = st.integers(0, 5000)


def backlog(*, held: int = 0, interactive: int = 0, bulk: int = 0, speed: float = 100.0) -> Backlog:
    return Backlog(held, {Lane.INTERACTIVE: interactive, Lane.BULK: bulk}, speed)


def test_an_idle_engine_takes_everything():
    assert refusal(backlog(), Lane.INTERACTIVE, 10**9, 0.001, 10) is None


def test_what_cannot_be_done_in_time_is_refused_with_the_time_that_is_missing():
    refused = refusal(backlog(held=100, interactive=100), Lane.INTERACTIVE, 100, 3.0, 10**6)
    assert refused is not None
    assert refused.retry_after_s == pytest.approx(3.0 - 3.0 / 3)


def test_what_can_be_done_in_time_is_taken():
    assert refusal(backlog(held=100, interactive=100), Lane.INTERACTIVE, 100, 9.1, 10**6) is None


def test_without_a_deadline_only_a_full_lane_refuses():
    assert refusal(backlog(bulk=900), Lane.BULK, 100, None, 1000) is None
    refused = refusal(backlog(bulk=900), Lane.BULK, 101, None, 1000)
    assert refused is not None
    assert refused.retry_after_s == pytest.approx(9.0)


def test_a_request_larger_than_a_lane_is_taken_by_one_that_is_half_empty():
    assert refusal(backlog(bulk=500), Lane.BULK, 10**6, None, 1000) is None
    assert refusal(backlog(bulk=501), Lane.BULK, 10**6, None, 1000) is not None


def test_a_full_lane_does_not_fill_the_other():
    assert refusal(backlog(bulk=1000), Lane.INTERACTIVE, 100, None, 1000) is None


def test_a_hint_is_never_too_short_to_act_on():
    refused = refusal(backlog(bulk=2, speed=1e9), Lane.BULK, 1, None, 2)
    assert refused is not None
    assert refused.retry_after_s == 0.05


@given(counts, counts, counts, st.integers(1, 1000))
def test_bulk_work_delays_interactive_work_by_its_share_at_most(held, interactive, bulk, cost):
    alone = backlog(held=held, interactive=interactive).wait_s(Lane.INTERACTIVE, cost)
    shared = backlog(held=held, interactive=interactive, bulk=bulk).wait_s(Lane.INTERACTIVE, cost)
    assert alone <= shared <= alone / 0.75 + 1e-9


@given(counts, counts, counts, st.integers(1, 1000))
def test_nobody_waits_longer_than_for_everything(held, interactive, bulk, cost):
    waiting = backlog(held=held, interactive=interactive, bulk=bulk)
    for lane in Lane:
        assert waiting.wait_s(lane, cost) <= (held + interactive + bulk + cost) / 100 + 1e-9
