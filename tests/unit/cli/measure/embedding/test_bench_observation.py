"""Medians over rounds, and ratios within them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.cli.measure.embedding.observation import (
    Case,
    Observation,
    median_of,
    median_ratio,
    median_rows,
    rounded,
)

OURS, THEIRS = Case("closed_loop", "attune", "q8", 8), Case("closed_loop", "peer", "q8", 8)


def seen(case: Case, *rates: float) -> list[Observation]:
    return [Observation(case, number, {"texts_per_s": rate}) for number, rate in enumerate(rates)]


def test_a_row_is_the_median_over_the_rounds() -> None:
    (row,) = median_rows(seen(OURS, 10, 90, 20))
    assert row == {
        "section": "closed_loop",
        "subject": "attune",
        "load": "q8",
        "concurrency": 8,
        "texts_per_s": 20,
        "rounds": 3,
    }


def test_rows_keep_the_order_in_which_cases_were_seen_and_leave_out_no_callers() -> None:
    rows = median_rows([*seen(THEIRS, 1), *seen(OURS, 1), *seen(Case("quality", "attune", "prose"), 1)])
    assert [row["subject"] for row in rows] == ["peer", "attune", "attune"]
    assert "concurrency" not in rows[2]


def test_ratios_are_taken_within_a_round() -> None:
    # The machine was twice as fast in the second round: the ratio of the medians would say 2.
    assert median_ratio([*seen(OURS, 30, 60, 10), *seen(THEIRS, 10, 20, 5)], OURS, THEIRS, "texts_per_s") == 3


def test_a_round_that_only_one_of_them_has_does_not_count() -> None:
    assert median_ratio([*seen(OURS, 30, 60), *seen(THEIRS, 10)], OURS, THEIRS, "texts_per_s") == 3


def test_there_is_no_ratio_to_what_was_not_measured_or_did_nothing() -> None:
    assert median_ratio(seen(OURS, 1), OURS, THEIRS, "texts_per_s") is None
    assert median_ratio([*seen(OURS, 1), *seen(THEIRS, 0)], OURS, THEIRS, "texts_per_s") is None
    assert median_of(seen(OURS, 1), THEIRS, "texts_per_s") is None


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=9), st.floats(0.1, 10))
def test_whoever_is_k_times_as_fast_in_every_round_has_the_ratio_k(rates: list[float], times: float) -> None:
    observations = [*seen(OURS, *(rate * times for rate in rates)), *seen(THEIRS, *rates)]
    assert median_ratio(observations, OURS, THEIRS, "texts_per_s") == pytest.approx(times)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.123456, 0.1235), (12.3456, 12.35), (41234.6, 41235), (41234, 41234), (0.0, 0.0), (7, 7)]
)
def test_numbers_keep_four_digits_and_all_before_the_point(value: float, shown: float) -> None:
    assert rounded(value) == shown
