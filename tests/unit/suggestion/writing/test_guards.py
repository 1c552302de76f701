"""Breaker and retries: when a server is left alone, and when it is asked again."""

import pytest

from attune.services.runtime.llm import LlmError, LlmFailure
from attune.services.suggestion.writing.breaker import Breaker, BreakerState
from attune.services.suggestion.writing.retrying import Retries, RetryBudget


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def states() -> list[BreakerState]:
    return []


@pytest.fixture
def breaker(clock: Clock, states: list[BreakerState]) -> Breaker:
    return Breaker(2, 30.0, clock, states.append)


def open_it(breaker: Breaker) -> None:
    for _ in range(2):
        breaker.admit()
        breaker.failed()


def test_failures_that_are_not_in_a_row_leave_it_closed(breaker: Breaker) -> None:
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    breaker.admit()


def test_it_opens_and_lets_a_single_trial_through_after_its_time(
    breaker: Breaker, clock: Clock, states: list[BreakerState]
) -> None:
    open_it(breaker)
    clock.now += 29
    with pytest.raises(LlmError, match=r"failed 2 times in a row and is left alone for 1 s"):
        breaker.admit()
    clock.now += 1
    breaker.admit()
    with pytest.raises(LlmError, match="half-open"):
        breaker.admit()
    breaker.succeeded()
    breaker.admit()
    assert states == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]


def test_a_failed_trial_opens_it_for_its_whole_time(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += 30
    breaker.admit()
    breaker.failed()
    clock.now += 29
    with pytest.raises(LlmError):
        breaker.admit()


def test_a_trial_whose_caller_left_is_for_the_next_one(breaker: Breaker, clock: Clock) -> None:
    open_it(breaker)
    clock.now += 30
    breaker.admit()
    breaker.gave_up()
    breaker.admit()
    assert breaker.state is BreakerState.HALF_OPEN


PASSING = LlmError("500", LlmFailure.STATUS, status=500)


def test_pauses_grow_and_end_with_the_retries() -> None:
    retries = Retries(2, RetryBudget())
    first, second = (retries.pause_s(PASSING, made, 10.0) for made in (0, 1))
    assert first is not None
    assert second is not None
    assert 0.05 <= first <= 0.1 <= second <= 0.2
    assert retries.pause_s(PASSING, 2, 10.0) is None


@pytest.mark.parametrize("failure", [LlmFailure.TIMEOUT, LlmFailure.FORM, LlmFailure.PROTOCOL])
def test_what_would_come_out_the_same_is_not_tried_again(failure: LlmFailure) -> None:
    assert Retries(2, RetryBudget()).pause_s(LlmError("no", failure), 0, 10.0) is None


def test_the_server_says_how_long_to_wait_if_there_is_time() -> None:
    busy = LlmError("429", LlmFailure.STATUS, status=429, retry_after_s=2.0)
    assert Retries(2, RetryBudget()).pause_s(busy, 0, 10.0) == 2.0
    assert Retries(2, RetryBudget()).pause_s(busy, 0, 1.0) is None


def test_the_budget_is_shared_and_comes_back_with_answers() -> None:
    budget = RetryBudget(most=2, share=0.5, tokens=2)
    retries = Retries(5, budget)
    assert [retries.pause_s(PASSING, 0, 10.0) is None for _ in range(3)] == [False, False, True]
    budget.answered()
    budget.answered()
    assert retries.pause_s(PASSING, 0, 10.0) is not None
    for _ in range(100):
        budget.answered()
    assert budget.tokens == 2
