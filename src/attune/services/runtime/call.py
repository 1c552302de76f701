"""The call that is being answered: who asks, and until when. Set by the interceptor, read where work is passed on."""

import time
from contextvars import ContextVar
from dataclasses import dataclass

DEFAULT_TENANT = "default"
"""Everybody's, where no credentials are required."""


@dataclass(frozen=True, slots=True)
class Call:
    """One RPC in progress."""

    method: str
    tenant: str
    deadline: float
    """When its answer is worth nothing any more, on the clock of time.monotonic()."""
    onward: tuple[tuple[str, str], ...] = ()
    """Metadata of the calls that this one leads to: which role asks, and for which tenant."""

    def remaining_s(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - time.monotonic())


_current: ContextVar[Call] = ContextVar("attune_call")


def enter_call(call: Call) -> None:
    """Make `call` the current one of this task."""
    _current.set(call)


def current_call() -> Call:
    """The call that this task answers.

    Raises:
        LookupError: outside of any call.
    """
    return _current.get()
