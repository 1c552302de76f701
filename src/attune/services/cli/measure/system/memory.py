"""Memory of each role over time, and whether it grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attune.services.cli.measure.errors import BenchError
from attune.services.runtime.config import RoleName


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a role's processes; what is held is no file's."""

    resident_mib: float
    held_mib: float


Sample = Mapping[RoleName, Memory]
LEAST_SAMPLES = 30
"""Of fewer, a third is too few for its median to stand out from what memory does from one moment to the next."""
_WARM_UP = 0.1
"""So much of the samples come first and do not count: caches and pools fill."""


def growth_mib(samples: Sequence[float]) -> float:
    """The median of the last third less that of the first, after the warm-up. Raises BenchError of too few."""
    if len(samples) < LEAST_SAMPLES:
        raise BenchError(
            f"--soak-minutes: {len(samples)} samples of memory are too few to tell whether it grows: soak for longer"
        )
    warm = samples[int(len(samples) * _WARM_UP) :]
    third = len(warm) // 3
    return float(np.median(warm[-third:]) - np.median(warm[:third]))
