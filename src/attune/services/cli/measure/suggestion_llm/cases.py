"""Moments of a log to ask a language model about: one of each user, as it is asked a few words a second."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from attune.services.cli.measure.suggestion.cases import Log

_MOST_HISTORY = 8
_LEAST_HISTORY = 2


@dataclass(frozen=True, slots=True)
class Case:
    """The moment after a query, and what the user asked next, which is new to the user."""

    place: int
    """In the log's cases."""
    user: str
    query: str
    history: Sequence[str]
    """What the user asked before, each once, the newest first."""
    others: Sequence[str]
    """The same of another user: the control that must lose."""
    next_query: str


def drawn_cases(log: Log, limit_users: int) -> list[Case]:
    """The last such moment of each user with a history of two queries or more, of at most so many users; the same ones
    each time.
    """
    last: dict[str, Case] = {}
    for place, each in enumerate(log.cases):
        history = [text for text in dict.fromkeys(reversed(each.earlier[:-1])) if text != each.query]
        if each.is_judged and each.is_new and len(history) >= _LEAST_HISTORY:
            last[each.user] = Case(place, each.user, each.query, history[:_MOST_HISTORY], (), each.target)
    drawn = sorted(last.values(), key=_shuffled)
    mated = [replace(each, others=other.history) for each, other in zip(drawn, drawn[1:] + drawn[:1], strict=True)]
    return mated[:limit_users]


def _shuffled(case: Case) -> str:
    return hashlib.sha256(case.user.encode()).hexdigest()
