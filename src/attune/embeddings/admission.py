"""Whether a request is taken: what cannot be computed before its deadline is refused at once, while that is cheap."""

from collections.abc import Mapping
from dataclasses import dataclass

from attune.embeddings.errors import Overloaded
from attune.embeddings.lanes import BULK_SHARE, Lane

_MARGIN = 3.0
"""A queue of a third of the deadline keeps the cores as busy as a longer one, in which requests are only
answered later, and many too late: the wait is an estimate (measured in docs/results/embedding_limits.md)."""
_SHORTEST_RETRY_S = 0.05


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is to be computed before a request that comes now, in estimated tokens, and how fast that is done.

    `queued` is all that waits in the other lane, and in its own what comes before its last text.
    """

    held: int
    queued: Mapping[Lane, int]
    tokens_per_second: float

    def wait_s(self, lane: Lane, cost: int) -> float:
        """Seconds until a request of `cost` tokens is computed, as estimated: the lanes share as `LaneQueue` has it."""
        interactive, bulk = self.queued[Lane.INTERACTIVE], self.queued[Lane.BULK]
        if lane is Lane.INTERACTIVE:
            ahead = interactive + cost
            queued = min(ahead + bulk, ahead / (1 - BULK_SHARE))
        else:
            ahead = bulk + cost
            queued = min(ahead + interactive, ahead / BULK_SHARE)
        return (self.held + queued) / self.tokens_per_second


def refusal(backlog: Backlog, lane: Lane, cost: int, time_left_s: float | None, queue_tokens: int) -> Overloaded | None:
    """Why a request of `cost` tokens is not taken; None if it is.

    A lane that is full takes nothing more; an empty one takes any request, and one that is half empty any large one, or
    those larger than a lane could never be served. A request is refused too where what is before it leaves too little
    of its time.
    """
    waiting = backlog.queued[lane]
    if waiting and waiting + min(cost, queue_tokens // 2) > queue_tokens:
        return Overloaded(_retry_after(backlog.wait_s(lane, 0)))
    if time_left_s is None or not (waiting or backlog.held):
        return None
    too_long_s = backlog.wait_s(lane, cost) - time_left_s / _MARGIN
    return Overloaded(_retry_after(too_long_s)) if too_long_s > 0 else None


def _retry_after(seconds: float) -> float:
    return max(seconds, _SHORTEST_RETRY_S)
