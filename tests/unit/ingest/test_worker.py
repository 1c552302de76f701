"""The ingest worker over a real local log and real stores: nothing lost, nothing twice, poison set aside."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.e2e.conftest import wait_until

from attune.events.v1.events_pb2 import EVENT_TYPE_QUERY, InteractionEvent
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.consent import Choice, Consents, Purpose
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.model import Interaction, LogPosition, UserKey
from attune.knowledge_store.store import StoreBusyError
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import Applied, Removal
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.services.ingest.batch import sort_out
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.settings import IngestSettings
from attune.services.ingest.worker import IngestWorker, prepare
from attune.services.runtime.config import ConfigError
from attune.services.runtime.consents import append_consents
from attune.services.runtime.consuming.backlog import BatchLimits
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Position, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, log_key, to_entry
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.removals import append_removal
from attune.services.runtime.validation import Validation

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ADA = UserKey("acme", "ada")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path / "events")
    yield opened
    opened.close()


@pytest.fixture(params=["memory", "sqlite"])
def knowledge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Knowledge]:
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "knowledge.sqlite")
    yield over(store)
    store.close()


def over(store: MemoryStore | SqliteStore, kind: type[Knowledge] = Knowledge) -> Knowledge:
    catalog = Catalog.load(['{"id": "asyncio", "label": "asyncio"}'])
    graph = CatalogGraph(catalog)
    return kind(catalog, graph, Linker(catalog, graph), store)


def worker(
    log: LocalEventLog, knowledge: Knowledge, metrics: Metrics | None = None, now: datetime = NOW
) -> IngestWorker:
    """Applies at once what it reads."""
    counted = IngestMetrics(metrics or Metrics())
    return IngestWorker(Source.local(log), knowledge, lambda: now, counted, IngestSettings(BatchLimits(wait_s=0)))


def query(event_id: str, **fields: object) -> InteractionEvent:
    values = {"tenant_id": "acme", "user_id": "ada", "type": EVENT_TYPE_QUERY, "user_query": "asyncio"}
    made = InteractionEvent(event_id=event_id, **(values | fields))  # type: ignore[arg-type]
    made.occurred_at.FromDatetime(NOW)
    return made


def append(log: LocalEventLog, *entries: Entry) -> None:
    log.append(TOPIC, entries, NOW)


def dead_letters(log: LocalEventLog) -> list[Record]:
    return log.poll(DEAD_LETTER_TOPIC, 0, 0, 100, 1 << 20, 0)


def count(metrics: Metrics, outcome: str) -> float | None:
    return metrics.registry.get_sample_value("attune_ingest_events_total", {"outcome": outcome})


def test_events_reach_the_store_and_the_offset_moves_with_them(log: LocalEventLog, knowledge: Knowledge) -> None:
    append(log, to_entry(query("1")), to_entry(query("2")))
    assert worker(log, knowledge).step(0) == 2
    assert knowledge.profile(ADA).events == 2
    assert knowledge.store.position(TOPIC, 0) == 2
    assert worker(log, knowledge).step(0) == 0


def test_what_a_program_did_in_the_place_of_a_user_never_reaches_the_store(
    log: LocalEventLog, knowledge: Knowledge
) -> None:
    played = query("e1", attributes={"origin": "simulated"})
    append(log, to_entry(played), to_entry(query("e2")))
    assert worker(log, knowledge).step(0) == 2
    assert knowledge.profile(ADA).events == 1
    assert dead_letters(log) == []


def test_what_a_program_did_counts_where_that_is_asked_for(log: LocalEventLog) -> None:
    append(log, to_entry(query("e1", attributes={"origin": "simulated"})))
    found = log.poll(TOPIC, 0, 0, 100, 1 << 20, 0)
    asked = sort_out(found, Validation(), Admission(learn_simulated=True))
    assert [len(each.interactions) for each in (asked, sort_out(found, Validation()))] == [1, 0]


def test_a_new_worker_goes_on_where_the_store_says(log: LocalEventLog, knowledge: Knowledge) -> None:
    append(log, to_entry(query("1")))
    worker(log, knowledge).step(0)
    append(log, to_entry(query("1")), to_entry(query("2")))
    metrics = Metrics()
    worker(log, knowledge, metrics).step(0)
    assert (count(metrics, "new"), count(metrics, "duplicates")) == (1, 1)
    assert knowledge.profile(ADA).events == 2


def test_poison_is_set_aside_with_its_reason_and_place_and_its_neighbours_count(
    log: LocalEventLog, knowledge: Knowledge
) -> None:
    append(
        log,
        to_entry(query("1")),
        Entry(b"acme/ada", b"\xff\xff garbage"),
        to_entry(query("2", user_query="")),
        to_entry(query("3")),
    )
    worker(log, knowledge).step(0)
    assert knowledge.profile(ADA).events == 2
    garbage, invalid = dead_letters(log)
    assert garbage.value == b"\xff\xff garbage"
    assert dict(garbage.headers)["attune_reason"].startswith(b"the value is not a protobuf InteractionEvent")
    assert dict(garbage.headers)["attune_code"] == b"malformed"
    assert dict(garbage.headers)["attune_position"] == f"{TOPIC}/0/1".encode()
    assert dict(invalid.headers)["attune_reason"].startswith(b"user_query: ")


def test_an_event_without_a_tenant_belongs_to_nobody(log: LocalEventLog, knowledge: Knowledge) -> None:
    value = query("1", tenant_id="").SerializeToString()
    append(log, Entry(b"", value), Entry(b"/ada", value))
    worker(log, knowledge).step(0)
    keyless, half = (dict(each.headers) for each in dead_letters(log))
    assert keyless["attune_reason"].startswith(b"tenant_id: value is required in the log")
    assert (half["attune_code"], half["attune_reason"]) == (b"conflict", b"the key is not tenant/user")


def test_an_event_that_the_log_took_long_before_it_happened_is_set_aside(
    log: LocalEventLog, knowledge: Knowledge
) -> None:
    ahead, ahead_too_far = query("1"), query("2")
    ahead.occurred_at.FromDatetime(NOW + timedelta(minutes=5))
    ahead_too_far.occurred_at.FromDatetime(NOW + timedelta(minutes=5, seconds=1))
    append(log, to_entry(ahead), to_entry(ahead_too_far))
    # Read a year later: a replay must sort out alike.
    worker(log, knowledge, now=NOW + timedelta(days=365)).step(0)
    assert knowledge.profile(ADA).events == 1
    (letter,) = dead_letters(log)
    assert dict(letter.headers)["ce_id"] == b"2"
    assert dict(letter.headers)["attune_reason"].startswith(b"occurred_at: is more than five minutes ahead")


def test_what_is_wrong_and_of_before_its_user_was_forgotten_is_no_dead_letter(
    log: LocalEventLog, knowledge: Knowledge
) -> None:
    """Though it is read in one batch with what came after, which stays."""
    append(log, Entry(b"acme/ada", b"\xff before"))
    knowledge.forget_user(ADA, NOW)
    log.append(TOPIC, [Entry(b"acme/ada", b"\xff after")], NOW + timedelta(seconds=1))
    worker(log, knowledge).step(0)
    assert [each.value for each in dead_letters(log)] == [b"\xff after"]


def test_a_store_that_refuses_the_second_look_is_asked_again(
    tmp_path: Path, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ForgettingMeanwhile(tmp_path / "raced")
    log.knowledge = knowledge
    append(log, Entry(b"acme/ada", b"\xff secret"), Entry(b"acme/bea", b"\xff"))
    real, looks = knowledge.store.forgotten, iter([False, True, False, False])

    def forgotten(users: list[UserKey]) -> dict[UserKey, datetime]:
        if next(looks):
            raise StoreBusyError("the store is busy: try again")
        return real(users)

    monkeypatch.setattr(knowledge.store, "forgotten", forgotten)
    running = worker(log, knowledge)
    with pytest.raises(StoreBusyError):
        running.step(0)
    running.step(0)
    assert {each.key for each in dead_letters(log)} == {b"acme/bea"}


def test_who_is_fenced_joins_anew_for_the_partition_may_be_its_own(log: LocalEventLog, knowledge: Knowledge) -> None:
    """Somebody who had lost the partition has claimed it late, and never comes back."""
    running = worker(log, knowledge)
    append(log, to_entry(query("1")))
    assert running.step(0) == 1
    knowledge.store.claim(TOPIC, 0)
    append(log, to_entry(query("2")))
    assert (running.step(0), running.step(0)) == (0, 1)
    assert knowledge.profile(ADA).events == 2


class ForgettingMeanwhile(LocalEventLog):
    """Forgets ada, wholly, after the worker's poll and before its append of dead letters."""

    knowledge: Knowledge

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        if topic == DEAD_LETTER_TOPIC:
            self.knowledge.forget_user(ADA, NOW)
            for each in (TOPIC, DEAD_LETTER_TOPIC):
                self.redact(each, log_key(ADA))
        return super().append(topic, entries, now)


def test_a_dead_letter_that_lands_behind_the_redaction_is_redacted_too(tmp_path: Path, knowledge: Knowledge) -> None:
    log = ForgettingMeanwhile(tmp_path / "raced")
    log.knowledge = knowledge
    append(log, Entry(b"acme/ada", b"\xff secret"), Entry(b"acme/bea", b"\xff"), Entry(b"no key", b"\xff"))
    worker(log, knowledge).step(0)
    assert [each.key for each in dead_letters(log)] == [b"acme/bea", b"no key"]


class KilledBehindTheAppend(ForgettingMeanwhile):
    """And the process does not get to redact what it has appended."""

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        appended = super().append(topic, entries, now)
        if topic == DEAD_LETTER_TOPIC:
            raise Killed
        return appended


class Killed(BaseException):
    """No handler of errors hears of it."""


def test_a_dead_letter_left_behind_by_a_killed_worker_is_redacted_at_the_next_start(
    log: LocalEventLog, tmp_path: Path, knowledge: Knowledge
) -> None:
    doomed = KilledBehindTheAppend(tmp_path / "events")
    doomed.knowledge = knowledge
    append(doomed, Entry(b"acme/ada", b"\xff secret"), Entry(b"acme/bea", b"\xff"), Entry(b"no key", b"\xff"))
    with pytest.raises(Killed):
        worker(doomed, knowledge).step(0)
    doomed.close()
    assert b"acme/ada" in [each.key for each in dead_letters(log)]
    prepare(log, knowledge.store)
    assert {each.key for each in dead_letters(log)} == {b"acme/bea", b"no key"}
    assert knowledge.store.position(DEAD_LETTER_TOPIC, 0) == log.end_offset(DEAD_LETTER_TOPIC, 0)


def test_dead_letters_of_a_user_who_began_anew_stay(log: LocalEventLog, knowledge: Knowledge) -> None:
    knowledge.forget_user(ADA, NOW - timedelta(seconds=1))
    append(log, Entry(b"acme/ada", b"\xff"))
    worker(log, knowledge).step(0)
    prepare(log, knowledge.store)
    assert [each.key for each in dead_letters(log)] == [b"acme/ada"]


def test_a_store_that_was_lost_is_built_again_and_the_forgotten_stay_forgotten(
    log: LocalEventLog, knowledge: Knowledge
) -> None:
    bea = UserKey("acme", "bea")
    append_removal(log, Removal(ADA, NOW))
    append_removal(log, Removal(bea, NOW, "asyncio"))
    old, new = query("old"), query("new")
    new.occurred_at.FromDatetime(NOW + timedelta(seconds=1))
    others = query("hers", user_id="bea")
    log.append(TOPIC, [to_entry(old), to_entry(new), to_entry(others)], NOW + timedelta(seconds=1))
    running = worker(log, knowledge)
    running.start()
    wait_until(lambda: knowledge.store.position(TOPIC, 0) == 3)
    running.stop()
    assert knowledge.profile(ADA).events == 1
    assert knowledge.profile(bea).events == 1
    assert knowledge.entity_page(bea, None, 10) == []


def test_what_is_of_a_time_without_consent_is_left_out_and_counted(log: LocalEventLog, knowledge: Knowledge) -> None:
    """It came past the recorder, as a producer's does that writes to the log itself."""
    append_consents(log, ADA, Consents((Choice(NOW, Purpose.LEARNING, False),)), NOW)
    append(log, to_entry(query("1")), to_entry(query("2", user_id="bea")))
    metrics = Metrics()
    running = worker(log, knowledge, metrics)
    running.start()
    wait_until(lambda: knowledge.store.position(TOPIC, 0) == 2)
    running.stop()
    assert knowledge.profile(ADA).events == 0
    assert (count(metrics, "withheld"), count(metrics, "new")) == (1, 1)


class CrashingOnce(Knowledge):
    """Dies before its first transaction, as a process killed between the dead letters and the store does."""

    crashes = 1

    def handle(self, interactions: list[Interaction], position: LogPosition | None = None) -> Applied:  # type: ignore[override]
        if self.crashes:
            self.crashes -= 1
            raise StoreBusyError("the store is busy: try again")
        return super().handle(interactions, position)


def test_a_crash_between_dead_letters_and_store_repeats_and_never_loses(log: LocalEventLog) -> None:
    knowledge = over(MemoryStore(), CrashingOnce)
    append(log, Entry(b"acme/ada", b"\xff"), to_entry(query("1")))
    with pytest.raises(StoreBusyError):
        worker(log, knowledge).step(0)
    worker(log, knowledge).step(0)
    assert len(dead_letters(log)) == 2
    assert knowledge.profile(ADA).events == 1


def test_a_running_worker_tries_a_failed_batch_again(log: LocalEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attune.services.runtime.consuming.worker._RETRY_S", 0.01)
    knowledge = over(MemoryStore(), CrashingOnce)
    running = worker(log, knowledge)
    running.start()
    append(log, to_entry(query("1")))
    wait_until(lambda: knowledge.profile(ADA).events == 1)
    running.stop()


def test_the_lag_is_what_is_not_applied_yet(log: LocalEventLog, knowledge: Knowledge) -> None:
    metrics = Metrics()
    append(log, *(to_entry(query(str(number))) for number in range(501)))
    ingest = worker(log, knowledge, metrics)
    assert ingest.step(0) == 500
    assert metrics.registry.get_sample_value("attune_ingest_lag_records", {"partition": "0"}) == 1
    assert ingest.step(0) == 1
    assert metrics.registry.get_sample_value("attune_ingest_lag_records", {"partition": "0"}) == 0


def test_records_that_were_redacted_are_passed(log: LocalEventLog, knowledge: Knowledge) -> None:
    append(log, to_entry(query("1")), to_entry(query("2")))
    log.redact(TOPIC, b"acme/ada")
    metrics = Metrics()
    assert worker(log, knowledge, metrics).step(0) == 0
    assert knowledge.store.position(TOPIC, 0) == 2
    assert metrics.registry.get_sample_value("attune_ingest_lag_records", {"partition": "0"}) == 0


def test_a_store_ahead_of_its_log_is_refused(log: LocalEventLog, knowledge: Knowledge) -> None:
    knowledge.handle([], LogPosition(TOPIC, 0, 7))
    with pytest.raises(ConfigError, match="up to 7, but the log ends at 0"):
        worker(log, knowledge).start()


def test_a_worker_that_never_started_can_be_stopped(log: LocalEventLog, knowledge: Knowledge) -> None:
    worker(log, knowledge).stop()
