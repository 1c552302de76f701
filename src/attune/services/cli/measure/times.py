"""Calls, timed one by one."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Times:
    """Milliseconds."""

    each: list[float] = field(default_factory=list)

    def of(self, work: Callable[[], object]) -> None:
        """Time one call."""
        started = time.perf_counter()
        work()
        self.each.append(1000 * (time.perf_counter() - started))

    def percentiles(self, *wanted: int) -> list[float]:
        """Those; the 100th is the largest."""
        return [float(each) for each in np.percentile(self.each, wanted)]
