"""The share of dead letters above which the worker stops."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.runtime.config import Config
from attune.services.runtime.consuming.dead_letter_limit import DeadLetterLimit, TooManyDeadLettersError


def test_a_few_are_borne_for_ever() -> None:
    limit = DeadLetterLimit(window=100, min_records=10, ratio=0.5)
    for _ in range(1000):
        limit.add(10, ["invalid"] * 5)


def test_too_many_stop_it_with_topic_share_reason_and_mend() -> None:
    limit = DeadLetterLimit(window=100, min_records=10, ratio=0.5)
    limit.add(10, [])
    with pytest.raises(TooManyDeadLettersError) as caught:
        limit.add(20, Counter(invalid=3, unknown_schema=13))
    assert caught.value.commonest == "unknown_schema"
    assert caught.value.ratio == pytest.approx(16 / 30)
    for part in ("16 of the last 30", "attune.interactions.v1", "53%", "unknown_schema", "ATTUNE_DEAD_LETTER_RATIO"):
        assert part in str(caught.value)


def test_the_first_few_may_all_be_bad() -> None:
    limit = DeadLetterLimit(window=100, min_records=10, ratio=0.5)
    for _ in range(9):
        limit.add(1, ["malformed"])
    with pytest.raises(TooManyDeadLettersError):
        limit.add(1, ["malformed"])


def test_what_was_long_ago_counts_no_more() -> None:
    limit = DeadLetterLimit(window=100, min_records=10, ratio=0.5)
    limit.add(1000, [])
    limit.add(100, ["malformed"] * 40)
    with pytest.raises(TooManyDeadLettersError):
        limit.add(100, ["malformed"] * 60)


def test_one_turns_it_off_and_nought_bears_none() -> None:
    DeadLetterLimit(window=10, min_records=1, ratio=1).add(10, ["malformed"] * 10)
    with pytest.raises(TooManyDeadLettersError):
        DeadLetterLimit(window=10, min_records=1, ratio=0).add(10, ["malformed"])


@given(st.lists(st.integers(0, 20).flatmap(lambda read: st.tuples(st.just(read), st.integers(0, read))), max_size=60))
def test_it_is_the_share_of_the_latest_batches_that_fill_the_window(batches: list[tuple[int, int]]) -> None:
    limit = DeadLetterLimit(window=50, min_records=10, ratio=0.5)
    seen: list[tuple[int, int]] = []
    for read, dead in batches:
        seen.append((read, dead))
        while sum(each for each, _ in seen[1:]) >= 50:
            seen.pop(0)
        total, bad = (sum(column) for column in zip(*seen, strict=True))
        stops = total >= 10 and bad > total / 2
        try:
            limit.add(read, ["invalid"] * dead)
        except TooManyDeadLettersError:
            assert stops
            return
        assert not stops


def test_it_is_configured() -> None:
    limit = DeadLetterLimit.of(Config(dead_letter_window=20, dead_letter_min_records=2, dead_letter_ratio=0.1))
    with pytest.raises(TooManyDeadLettersError):
        limit.add(2, ["invalid"])
