"""Which of two ways is faster on this machine, measured at start."""

from collections.abc import Callable

from torch import Tensor

Clock = Callable[[], float]
Trial = Callable[[], Tensor]

_ROUNDS = 20


def speedup(slow: Trial, fast: Trial, clock: Clock) -> float:
    """How many times faster `fast` is: the ratio of the best of `_ROUNDS` rounds. `clock` gives seconds.

    The rounds are interleaved, so that another process's burst of work hits both alike; the first also warms up.
    """
    rounds = [(_seconds(slow, clock), _seconds(fast, clock)) for _ in range(_ROUNDS)]
    return min(before for before, _ in rounds) / max(min(after for _, after in rounds), 1e-9)


def _seconds(trial: Trial, clock: Clock) -> float:
    started = clock()
    trial()
    return clock() - started
