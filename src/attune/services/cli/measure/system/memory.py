"""Memory of each role over time, and whether it grows."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from attune.services.runtime.config import RoleName

Sample = Mapping[RoleName, float]
_WARM_UP = 0.1
"""So much of the samples come first and do not count: caches and pools fill."""


@contextmanager
def watched(read: Callable[[], Sample], every_s: float) -> Iterator[list[Sample]]:
    """Samples of memory in MiB by role, appended in the `with` block."""
    samples: list[Sample] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(every_s):
            samples.append(read())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def growth_mib(samples: Sequence[float]) -> float:
    """The median of the last third less that of the first, after the warm-up; 0 of too few."""
    warm = samples[int(len(samples) * _WARM_UP) :]
    third = len(warm) // 3
    if not third:
        return 0.0
    return float(np.median(warm[-third:]) - np.median(warm[:third]))
