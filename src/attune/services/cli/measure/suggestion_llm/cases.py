"""Next queries that users really asked, drawn from a log: one of each user, split by time."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from attune.knowledge_store.model import UserKey
from attune.services.cli.logs.reading import AskedInFile
from attune.services.suggestion.known import normalised

_MOST_HISTORY = 8
_LEAST_QUERIES = 4


@dataclass(frozen=True, slots=True)
class Case:
    """The moment after a query, and what the user asked next, which is new to the user."""

    user: str
    query: str
    history: Sequence[str]
    """What the user asked before, each once, the newest first."""
    others: Sequence[str]
    """The same of another user: the control that must lose."""
    asked: frozenset[str]
    """All that the user asked until now, normalised."""
    next_query: str


@dataclass(frozen=True, slots=True)
class Cases:
    """Cases, and the queries that the next one is among."""

    cases: Sequence[Case]
    pool: Sequence[str]


def read_cases(path: Path, limit_users: int) -> Cases:
    """The last such moment of each user, of at most so many users; the same ones each time.

    Raises:
        CorpusError: a line is wrong, as logs/reading.py says.
    """
    by_user: dict[UserKey, list[tuple[datetime, str]]] = defaultdict(list)
    for row in AskedInFile(path):
        if query := normalised(row.text):
            by_user[row.user].append((row.at, query))
    asked = {user: [query for _, query in sorted(rows)] for user, rows in by_user.items()}
    told = {user: queries for user, queries in asked.items() if len(set(queries)) >= _LEAST_QUERIES}
    pool = sorted({query for queries in told.values() for query in queries})
    drawn = [each for user in sorted(told, key=_shuffled) if (each := _last(user, told[user])) is not None]
    mated = [
        Case(each.user, each.query, each.history, other.history, each.asked, each.next_query)
        for each, other in zip(drawn, [*drawn[1:], drawn[0]], strict=True)
    ]
    return Cases(mated[:limit_users], pool)


def _last(user: UserKey, queries: Sequence[str]) -> Case | None:
    for place, (query, following) in reversed(list(enumerate(pairwise(queries)))):
        before = [each for each in dict.fromkeys(reversed(queries[: place + 1])) if each != query]
        if following not in queries[: place + 1] and len(before) > 1:
            return Case(user.user, query, before[:_MOST_HISTORY], (), frozenset(queries[: place + 1]), following)
    return None


def _shuffled(user: UserKey) -> str:
    return hashlib.sha256(user.user.encode()).hexdigest()
