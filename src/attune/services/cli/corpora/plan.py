"""A plan of what users did: sessions of one query and the documents read after it, as interaction events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

MINUTES_PER_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """One interaction, `minutes_ago` before whenever the plan is played; `kind` is query, click or dwell.

    `object_id` and `title` are empty for a query; `dwell_ms` is 0 except for a dwell.
    """

    user: str
    kind: str
    query: str
    object_id: str
    title: str
    minutes_ago: int
    dwell_ms: int
    session: str


@dataclass(frozen=True, slots=True)
class Reading:
    object_id: str
    title: str
    seconds: int


@dataclass(frozen=True, slots=True)
class PlannedSession:
    user: str
    days_ago: int
    query: str
    readings: tuple[Reading, ...]


class HistoryPlan(NamedTuple):
    """Two users with different histories, oldest event first, and the queries to rank for both."""

    users: tuple[str, str]
    events: list[PlannedEvent]
    shared_queries: list[str]


def plan_of(users: tuple[str, str], sessions: Iterable[PlannedSession], shared_queries: list[str]) -> HistoryPlan:
    events = [event for number, session in enumerate(sessions, start=1) for event in _events(session, number)]
    return HistoryPlan(users, sorted(events, key=lambda event: -event.minutes_ago), shared_queries)


def _events(session: PlannedSession, number: int) -> Iterator[PlannedEvent]:
    """The query, and for each reading a click a minute later and a dwell when the reader leaves."""
    name = f"{session.user}-{number}"
    minute = session.days_ago * MINUTES_PER_DAY
    yield PlannedEvent(session.user, "query", session.query, "", "", minute, 0, name)
    for reading in session.readings:
        minute -= 1
        page = (reading.object_id, reading.title)
        yield PlannedEvent(session.user, "click", session.query, *page, minute, 0, name)
        minute -= 1 + reading.seconds // 60
        yield PlannedEvent(session.user, "dwell", session.query, *page, minute, reading.seconds * 1000, name)
