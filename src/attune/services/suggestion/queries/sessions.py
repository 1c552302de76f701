"""What users asked one after the other."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import groupby, product
from typing import NamedTuple

SESSION = timedelta(minutes=30)
"""What is asked within that time after something else follows on it."""
_SESSION_US = SESSION // timedelta(microseconds=1)
_MOST_AT_ONCE = 4
"""Different queries of one moment: more are no person's, and nothing follows on them."""


class Step(NamedTuple):
    """A user asked something at a moment, in microseconds."""

    tenant: str
    user: int
    at: int
    session: int
    """0 where it was in no session with a name."""
    folded: bytes
    """What was asked."""
    number: int | None
    """Its number; None where too few users asked it."""


def followed(steps: Iterable[Step]) -> Iterator[tuple[int, int, int]]:
    """Number of a query, number of another one that followed, and the user, from steps by user and time.

    What was asked at one moment has no order: each follows on all of the moment before, and none on another.
    """
    for (_, user), of_user in groupby(steps, key=lambda step: step[:2]):
        before: list[Step] = []
        for _, at_once in groupby(of_user, key=lambda step: step.at):
            now = list(at_once)
            if len({step.folded for step in now}) > _MOST_AT_ONCE:
                now = []
            for first, second in product(before, now):
                if first.number is not None and second.number is not None and _follows(second, first):
                    yield first.number, second.number, user
            before = now


def _follows(step: Step, before: Step) -> bool:
    """Whoever names sessions says what belongs together; else time does."""
    if step.number == before.number:
        return False
    if step.session and before.session:
        return step.session == before.session
    return step.at - before.at <= _SESSION_US
