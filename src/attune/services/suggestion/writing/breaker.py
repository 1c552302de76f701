"""A circuit breaker: after failures in a row the server is left alone for a while, then tried by a single question.

closed --failures in a row--> open --time--> half-open --the trial succeeds--> closed
^---------------'--------- it fails
"""

from collections.abc import Callable
from enum import StrEnum

from attune.services.runtime.llm import LlmError, LlmFailure


class BreakerState(StrEnum):
    """Whether the server is asked."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Of one server.

    Args:
        failures: so many in a row open it.
        open_s: for so long it stays open, in seconds.
        now: a clock that never goes back, in seconds.
        changed: hears of each new state.
    """

    def __init__(
        self,
        failures: int,
        open_s: float,
        now: Callable[[], float],
        changed: Callable[[BreakerState], None] = lambda _state: None,
    ) -> None:
        self._failures = failures
        self._open_s = open_s
        self._now = now
        self._changed = changed
        self._in_a_row = 0
        self._until = 0.0
        self._state = BreakerState.CLOSED

    @property
    def state(self) -> BreakerState:
        """Closed: all questions pass. Open: none. Half-open: one is under way, which decides."""
        return self._state

    def admit(self) -> None:
        """Before a question; afterwards one of the three below is due.

        Raises:
            LlmError: it is open, or its trial is under way.
        """
        if self._state is BreakerState.CLOSED:
            return
        left = self._until - self._now()
        if self._state is BreakerState.HALF_OPEN or left > 0:
            raise LlmError(
                f"the language model failed {self._in_a_row} times in a row and is left alone for {max(0.0, left):.0f} "
                f"s (circuit breaker {self._state.replace('_', '-')})",
                LlmFailure.BREAKER_OPEN,
            )
        self._become(BreakerState.HALF_OPEN)

    def succeeded(self) -> None:
        """The server answered, be it nonsense."""
        self._in_a_row = 0
        self._become(BreakerState.CLOSED)

    def failed(self) -> None:
        """The server did not answer, or not in time."""
        self._in_a_row += 1
        if self._state is BreakerState.HALF_OPEN or self._in_a_row >= self._failures:
            self._until = self._now() + self._open_s
            self._become(BreakerState.OPEN)

    def gave_up(self) -> None:
        """The caller left, or had too little time, before anything could be told; a trial is for the next one."""
        if self._state is BreakerState.HALF_OPEN:
            self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        if state is not self._state:
            self._state = state
            self._changed(state)
