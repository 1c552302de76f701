"""Poisson arrivals."""

from itertools import pairwise
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.cli.measure.embedding.load.arrivals import poisson_arrivals


@given(st.floats(0.5, 500), st.floats(0.01, 5), st.integers(0, 100))
def test_arrivals_are_in_order_within_the_time_and_the_same_for_the_same_seed(
    rate: float, seconds: float, seed: int
) -> None:
    arrivals = poisson_arrivals(rate, seconds, seed)
    assert arrivals == sorted(arrivals)
    assert all(0 < at < seconds for at in arrivals)
    assert arrivals == poisson_arrivals(rate, seconds, seed)


def test_gaps_are_exponential_with_the_rate_asked_for() -> None:
    arrivals = poisson_arrivals(200, 100, seed=0)
    gaps = [later - earlier for earlier, later in pairwise(arrivals)]
    assert len(arrivals) / 100 == pytest.approx(200, rel=0.03)
    assert pstdev(gaps) == pytest.approx(fmean(gaps), rel=0.05)  # exponential: the deviation is the mean


def test_another_seed_gives_other_arrivals() -> None:
    assert poisson_arrivals(10, 10, seed=1) != poisson_arrivals(10, 10, seed=2)
