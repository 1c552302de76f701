"""When requests arrive that do not wait for one another."""

import random
from itertools import accumulate, takewhile


def poisson_arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Seconds from the start at which requests of a Poisson process of `rate` a second arrive, in order."""
    generator = random.Random(seed)  # noqa: S311 - nothing secret
    gaps = iter(lambda: generator.expovariate(rate), None)
    return list(takewhile(lambda at: at < seconds, accumulate(gaps)))
