"""How long a service that can be done without is waited for."""

from attune.services.runtime.call import current_call

_SHARE = 0.5
"""Who can be done without gets no more than this of what is left of the deadline: the rest is for going on without."""


def at_most(limit_s: float) -> float:
    """Seconds for a service that can be done without."""
    return min(limit_s, _SHARE * current_call().remaining_s())
