"""Whether a system bore it: what must hold after all those requests, and what does not."""

from collections.abc import Iterator

from attune.services.cli.measure.fuzz.calling import FAILED, LATE, Outcomes

MOST_GROWN_MIB = 64.0
"""Of all roles in one process, after the warm-up. Chosen: room for what allocators keep, and for what was recorded."""
MOST_LATE = 0.01
"""Share of the requests: a machine that is busy with others makes some late, a lock that nobody opens makes many."""
_BEFORE_CONTENT = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", LATE, FAILED})
"""How calls end whose content nobody has judged, or may not have."""


def unreached(outcomes: Outcomes) -> list[str]:
    """Methods none of whose calls was answered, nor refused for its content: nothing has been tried there."""
    return sorted(path for path, counts in outcomes.codes.items() if counts.keys() <= _BEFORE_CONTENT)


def wrong(outcomes: Outcomes, grown_mib: float, said: int) -> Iterator[str]:
    """What is not as it must be, each in a sentence; nothing where the system has borne it."""
    if outcomes.failures:
        yield f"{outcomes.failures} requests were answered as none may be"
    if said:
        yield f"texts of requests are {said} times in logs and metrics"
    if paths := unreached(outcomes):
        yield f"never answered, nor refused for what a request says: {', '.join(paths)}"
    if grown_mib > MOST_GROWN_MIB:
        yield f"memory grew by {grown_mib:.0f} MiB, more than {MOST_GROWN_MIB:g}"
    if outcomes.late > MOST_LATE * outcomes.requests:
        yield f"{outcomes.late} of {outcomes.requests} requests were late, more than {MOST_LATE:.0%}"
