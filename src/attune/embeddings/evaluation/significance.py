"""How sure a mean, or a difference of two, is: bootstrap over the cases (Efron; for retrieval Sakai, SIGIR 2006)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 2000
_TAIL = 0.025


@dataclass(frozen=True)
class Interval:
    """A mean with the bounds that 95% of resamples are within."""

    mean: float
    low: float
    high: float


def bootstrap(cases: Sequence[float], seed: int = 0) -> Interval:
    """The interval of the cases' mean."""
    values = np.asarray(cases, dtype=np.float64)
    return resampled_all([len(values)], lambda drawn: float(values[drawn[0]].mean()), seed)


def paired_difference(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Interval:
    """The interval of the mean difference of two measurements of the same cases; it is significant if 0 is outside."""
    return bootstrap((np.asarray(ours) - np.asarray(theirs)).tolist(), seed)


def resampled_all(
    counts: Sequence[int], measure: Callable[[Sequence[NDArray[np.intp]]], float], seed: int = 0
) -> Interval:
    """The interval of any measure of groups of cases, drawn group by group; it is given the places drawn of each."""
    random = np.random.default_rng(seed)
    drawn = [measure([random.integers(count, size=count) for count in counts]) for _ in range(_RESAMPLES)]
    whole = measure([np.arange(count) for count in counts])
    return Interval(whole, float(np.quantile(drawn, _TAIL)), float(np.quantile(drawn, 1 - _TAIL)))
