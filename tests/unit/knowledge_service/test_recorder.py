"""RecordInteractions' work over a real log: what is valid is durable in order, what is not is told by its place."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attune.events.v1.events_pb2 import EVENT_TYPE_CLICK, InteractionEvent
from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.knowledge.recorder import REPORTED, Recorder
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Position, Record
from attune.services.runtime.events import TOPIC, log_key, logged_at
from attune.services.runtime.records.decoding import decode

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ADA = UserKey("acme", "ada")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def recorder(log: LocalEventLog, store: MemoryStore) -> Recorder:
    return Recorder(log, store, lambda: NOW)


def click(number: int, at: datetime = NOW, **fields: str) -> InteractionEvent:
    values = {"user_id": "ada", "object_id": "o", "event_id": str(number)} | fields
    made = InteractionEvent(type=EVENT_TYPE_CLICK, **values)  # type: ignore[arg-type]
    made.occurred_at.FromDatetime(at)
    return made


async def stream(events: Sequence[InteractionEvent]) -> AsyncIterator[InteractionEvent]:
    for event in events:
        yield event


def records(log: LocalEventLog) -> list[Record]:
    return log.poll(TOPIC, 0, 0, 10_000, 1 << 24, 0)


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 513])
async def test_all_events_are_in_the_log_in_their_order(log: LocalEventLog, recorder: Recorder, count: int) -> None:
    report = await recorder.record(stream([click(number) for number in range(count)]), "acme")
    assert (report.accepted, report.rejected_count, report.end_offset) == (count, 0, count)
    assert [decode(each).event_id for each in records(log)] == [str(number) for number in range(count)]


async def test_a_record_bears_tenant_key_and_the_servers_time(log: LocalEventLog, recorder: Recorder) -> None:
    await recorder.record(stream([click(7, at=datetime(1970, 1, 1, tzinfo=UTC))]), "acme")
    (record,) = records(log)
    assert record.key == b"acme/ada"
    assert decode(record).tenant_id == "acme"
    assert logged_at(record) == NOW
    headers = dict(record.headers)
    assert (headers["ce_id"], headers["content-type"]) == (b"7", b"application/protobuf")


async def test_the_own_tenant_may_be_named_and_no_other(log: LocalEventLog, recorder: Recorder) -> None:
    report = await recorder.record(stream([click(1, tenant_id="acme"), click(2, tenant_id="other")]), "acme")
    assert (report.accepted, report.rejected_count) == (1, 1)
    assert report.rejected[0].violation.field == "tenant_id"
    assert [decode(each).event_id for each in records(log)] == ["1"]


async def test_places_count_over_batches_and_over_what_was_refused(log: LocalEventLog, recorder: Recorder) -> None:
    bad = {3, 300, 301, 599}
    events = [click(number, user_id="a/b" if number in bad else "ada") for number in range(600)]
    report = await recorder.record(stream(events), "acme")
    assert {each.index for each in report.rejected} == bad
    assert {each.event_id for each in report.rejected} == {str(number) for number in bad}
    assert (report.accepted, report.end_offset) == (596, 596)


async def test_of_many_refusals_the_first_are_kept_and_all_are_counted(log: LocalEventLog, recorder: Recorder) -> None:
    report = await recorder.record(stream([click(number, object_id="") for number in range(250)]), "acme")
    assert [each.index for each in report.rejected] == list(range(REPORTED))
    assert (report.rejected_count, report.accepted, report.end_offset) == (250, 0, 0)
    assert records(log) == []


@pytest.mark.parametrize(("ahead", "accepted"), [(timedelta(minutes=5), 1), (timedelta(minutes=5, seconds=1), 0)])
async def test_the_clock_may_be_five_minutes_ahead(
    log: LocalEventLog, recorder: Recorder, ahead: timedelta, accepted: int
) -> None:
    report = await recorder.record(stream([click(1, NOW + ahead)]), "acme")
    assert (report.accepted, report.rejected_count) == (accepted, 1 - accepted)


async def test_a_stream_that_breaks_keeps_its_full_batches_and_can_be_repeated(
    log: LocalEventLog, recorder: Recorder
) -> None:
    events = [click(number) for number in range(300)]

    async def broken() -> AsyncIterator[InteractionEvent]:
        for event in events:
            yield event
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await recorder.record(broken(), "acme")
    assert len(records(log)) == 256
    assert (await recorder.record(stream(events), "acme")).accepted == 300
    assert {decode(each).event_id for each in records(log)} == {event.event_id for event in events}


async def test_the_end_is_told_for_each_partition(tmp_path: Path, store: MemoryStore) -> None:
    log = LocalEventLog(tmp_path / "parted", partitions=3)
    log.append(TOPIC, [Entry(f"acme/user-{number}".encode(), b"") for number in range(9)], NOW)
    events = [click(number, user_id=f"user-{number % 6}") for number in range(600)]
    report = await Recorder(log, store, lambda: NOW).record(stream(events), "acme")
    assert report.end_offsets == {partition: log.end_offset(TOPIC, partition) for partition in range(3)}
    assert report.end_offset == max(report.end_offsets.values())


@pytest.mark.parametrize(
    ("occurred_s", "clock_s", "accepted"), [(-1, 1, 0), (0, 1, 0), (1, 1, 1), (1, 0, 0), (1, -1, 0)]
)
async def test_what_is_from_before_its_user_was_forgotten_never_enters_the_log(
    log: LocalEventLog, store: MemoryStore, occurred_s: int, clock_s: int, accepted: int
) -> None:
    store.forget_user(ADA, NOW)
    recorder = Recorder(log, store, lambda: NOW + timedelta(seconds=clock_s))
    events = [click(1, user_id="bea"), click(2, at=NOW + timedelta(seconds=occurred_s)), click(3, user_id="bea")]
    report = await recorder.record(stream(events), "acme")
    assert (report.accepted, report.rejected_count) == (2 + accepted, 1 - accepted)
    assert [decode(each).event_id for each in records(log)] == ["1", *["2"] * accepted, "3"]
    for refused in report.rejected:
        assert (refused.index, refused.event_id, refused.violation.field) == (1, "2", "occurred_at")
        assert refused.violation.description.startswith("is from before 2026-11-03T00:00:00+00:00")


@pytest.mark.parametrize(
    ("occurred_s", "clock_s", "field"),
    [
        (-1, -1, None),
        (-1, 0, "user_id"),
        (1, 1, "user_id"),
        (-1, 2, None),
        (0, 2, "occurred_at"),
        (1, 3, "occurred_at"),
        (2, 3, None),
    ],
)
async def test_what_is_of_a_time_without_consent_never_enters_the_log(
    log: LocalEventLog, store: MemoryStore, occurred_s: int, clock_s: int, field: str | None
) -> None:
    """Learning is withdrawn at 0 s and granted again at 2 s. What is refused is what the store would leave out."""
    for at, granted in ((0, False), (2, True)):
        store.consent(ADA, [Choice(NOW + timedelta(seconds=at), Purpose.LEARNING, granted)])
    recorder = Recorder(log, store, lambda: NOW + timedelta(seconds=clock_s))
    events = [click(1, user_id="bea"), click(2, at=NOW + timedelta(seconds=occurred_s))]
    report = await recorder.record(stream(events), "acme")
    assert [(each.index, each.violation.field) for each in report.rejected] == ([(1, field)] if field else [])
    assert all("leave th" in each.violation.description for each in report.rejected)
    assert len(records(log)) == 2 - len(report.rejected)


async def test_without_a_choice_the_stores_default_counts(log: LocalEventLog) -> None:
    store = MemoryStore(consent_default=False)
    store.consent(ADA, [Choice(NOW - timedelta(days=1), Purpose.LEARNING, True)])
    report = await Recorder(log, store, lambda: NOW).record(stream([click(1), click(2, user_id="bea")]), "acme")
    assert [each.event_id for each in report.rejected] == ["2"]
    assert "SetConsents" in report.rejected[0].violation.description


async def test_a_withdrawal_of_another_tenants_user_of_that_name_refuses_nothing(
    log: LocalEventLog, recorder: Recorder, store: MemoryStore
) -> None:
    store.consent(UserKey("other", "ada"), [Choice(NOW, Purpose.LEARNING, False)])
    assert (await recorder.record(stream([click(1)]), "acme")).accepted == 1


async def test_an_event_in_the_millisecond_of_the_tombstone_is_told_that_it_will_not_count(
    log: LocalEventLog, store: MemoryStore
) -> None:
    store.forget_user(ADA, NOW + timedelta(microseconds=5))
    recorder = Recorder(log, store, lambda: NOW + timedelta(microseconds=999))
    assert (await recorder.record(stream([click(1, NOW + timedelta(microseconds=998))]), "acme")).rejected_count == 1


async def test_a_tombstone_of_another_tenants_user_of_that_name_refuses_nothing(
    log: LocalEventLog, recorder: Recorder, store: MemoryStore
) -> None:
    store.forget_user(UserKey("other", "ada"), NOW)
    assert (await recorder.record(stream([click(1)]), "acme")).accepted == 1


class ForgettingMeanwhile(LocalEventLog):
    """Forgets ada, wholly, after the recorder's look at the tombstones and before its append."""

    store: MemoryStore

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        self.store.forget_user(ADA, NOW + timedelta(hours=1))
        self.redact(TOPIC, log_key(ADA))
        return super().append(topic, entries, now)


async def test_what_lands_behind_the_redaction_is_redacted_too(tmp_path: Path, store: MemoryStore) -> None:
    log = ForgettingMeanwhile(tmp_path)
    log.store = store
    report = await Recorder(log, store, lambda: NOW).record(stream([click(1), click(2, user_id="bea")]), "acme")
    assert [decode(each).event_id for each in records(log)] == ["2"]
    assert report.accepted == 1
    assert [(each.index, each.violation.description[:32]) for each in report.rejected] == [
        (0, "arrived while its user was being")
    ]
