"""What of a log counts: which events, and of whom."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.suggestion.queries.asking import MANY, START, statistics_of, texts

from attune.events.v1.events_pb2 import EventType, InteractionEvent
from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.events import TOPIC, to_entry
from attune.services.runtime.records.admission import Admission
from attune.services.suggestion.logged import Allowed, EventsInLog
from attune.services.suggestion.queries.asked import ASKING, AskedInLog
from attune.services.suggestion.queries.counting import Plan, Report, count_queries
from attune.services.suggestion.screening import Screen

USERS = [UserKey("acme", f"u{number}") for number in range(4)]
LATER = START + timedelta(days=1)


@pytest.fixture
def event_log(tmp_path: Path):
    with closing(LocalEventLog(tmp_path / "events", partitions=3)) as opened:
        yield opened


def event(user: str, text: str, kind: str = "QUERY", at: datetime = START) -> InteractionEvent:
    made = InteractionEvent(
        tenant_id="acme", user_id=user, event_id=f"{user}{text}{kind}", type=EventType.Value(f"EVENT_TYPE_{kind}")
    )
    if kind == "CLICK":
        made.object_id, made.attributes["title"] = "d", text
    made.user_query = text
    made.occurred_at.FromDatetime(at)
    return made


def append(event_log: LocalEventLog, *events: InteractionEvent, at: datetime = START) -> None:
    event_log.append(TOPIC, [to_entry(each) for each in events], at)


def counted(event_log: LocalEventLog, store: MemoryStore, directory: Path) -> tuple[Report, Allowed, AskedInLog]:
    source = AskedInLog(EventsInLog(event_log, Admission(), ASKING))
    allowed = Allowed(source, store)
    return count_queries(allowed, directory, Screen(), LATER, Plan(3)), allowed, source


def asked_by_all(event_log: LocalEventLog, text: str = "asyncio") -> None:
    append(event_log, *(event(user.user, text) for user in USERS[:3]))


@pytest.fixture
def told(event_log, tmp_path):
    """What is told after a count, by a store in which something happened."""

    def tell(store: MemoryStore) -> list[str]:
        counted(event_log, store, tmp_path / "queries")
        return texts(statistics_of(tmp_path / "queries").beginning("", MANY))

    return tell


def test_queries_reformulations_and_accepted_suggestions_count_and_nothing_else(event_log, told):
    for user, kind in zip(USERS, ("QUERY", "REFORMULATION", "SUGGESTION_ACCEPTED"), strict=False):
        append(event_log, event(user.user, "asyncio", kind))
    for kind in ("SUGGESTION_SHOWN", "CLICK"):
        append(event_log, *(event(user.user, "shown", kind) for user in USERS))
    assert told(MemoryStore()) == ["asyncio"]


def test_records_that_are_no_event_are_passed_over_and_counted(event_log, tmp_path):
    asked_by_all(event_log)
    bad = [Entry(b"acme/u0", b"\xff\xfe"), Entry(b"", b"{}", (("content-type", b"application/json"),))]
    event_log.append(TOPIC, bad, START)
    append(event_log, event("u0", "x", at=START + timedelta(hours=1)))  # ahead of the log's clock
    report, allowed, source = counted(event_log, MemoryStore(), tmp_path / "q")
    assert (report.asked, report.queries, allowed.left_out, source.skipped) == (3, {"acme": 1}, 0, 3)


def test_who_was_forgotten_does_not_count_with_what_came_before(event_log, told):
    store = MemoryStore()
    asked_by_all(event_log)
    assert told(store) == ["asyncio"]
    store.forget_user(USERS[0], START + timedelta(hours=1))
    assert told(store) == []
    append(event_log, event("u0", "asyncio", "REFORMULATION", LATER), at=LATER)
    assert told(store) == ["asyncio"]


def test_an_event_that_happened_later_than_it_was_logged_is_of_when_it_was_logged(event_log, told):
    store = MemoryStore()
    append(event_log, *(event(user.user, "asyncio", at=START + timedelta(minutes=4)) for user in USERS[:3]))
    store.forget_user(USERS[0], START + timedelta(minutes=2))
    assert told(store) == []


@pytest.mark.parametrize("purpose", [Purpose.STATISTICS, Purpose.LEARNING])
def test_who_does_not_allow_it_does_not_count(event_log, told, purpose):
    store = MemoryStore()
    asked_by_all(event_log)
    store.consent(USERS[0], [Choice(datetime(2020, 1, 1, tzinfo=UTC), purpose, granted=False)])
    assert told(store) == []
    store.consent(USERS[0], [Choice(datetime(2020, 1, 2, tzinfo=UTC), purpose, granted=True)])
    assert told(store) == ["asyncio"]


def test_what_was_learned_before_learning_was_withdrawn_counts_on(event_log, told):
    store = MemoryStore()
    asked_by_all(event_log)
    store.consent(USERS[0], [Choice(LATER, Purpose.LEARNING, granted=False)])
    assert told(store) == ["asyncio"]


def test_who_makes_no_choice_counts_only_where_that_grants(event_log, told):
    asked_by_all(event_log)
    assert told(MemoryStore(consent_default=False)) == []


def test_all_partitions_and_many_batches_are_read(event_log, told):
    append(event_log, *(event(f"user {number}", f"q{number % 2}") for number in range(2500)))
    assert told(MemoryStore()) == ["q0", "q1"]
