"""Replaying dead letters: what is mended goes back once, the rest stays, and the forgotten stay forgotten."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attune.events.v1.events_pb2 import EVENT_TYPE_CLICK, InteractionEvent
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store import Removal
from attune.services.runtime.dead_letters import dead_letter, dead_letters
from attune.services.runtime.eventlog.framing import MAX_ENTRY_BYTES, entry_bytes
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Position, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, log_key, to_entry
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.refusal import InvalidRecordError, Reason
from attune.services.runtime.removals import append_removal
from attune.services.runtime.replaying import Replayer
from attune.services.runtime.state_topics import every_record

THEN = datetime(2026, 11, 3, tzinfo=UTC)
NOW = THEN + timedelta(days=1)
UNKNOWN = InvalidRecordError(Reason.UNKNOWN_TENANT, "tenant_id: is no tenant")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path)
    yield opened
    opened.close()


def click(user: str, event_id: str = "e1", at: datetime = THEN, **changes: object) -> Entry:
    values = {"tenant_id": "acme", "event_id": event_id, "type": EVENT_TYPE_CLICK, "object_id": "d1"}
    made = InteractionEvent(user_id=user, **(values | changes))  # type: ignore[arg-type]
    made.occurred_at.FromDatetime(at)
    return to_entry(made)


def set_aside(log: LocalEventLog, *entries: Entry) -> list[Record]:
    """As the worker does: the records lie among the events too."""
    places = log.append(TOPIC, entries, THEN)
    ms = int(THEN.timestamp() * 1000)
    records = [
        Record(TOPIC, 0, place.offset, ms, each.key, each.value, each.headers)
        for place, each in zip(places, entries, strict=True)
    ]
    log.append(DEAD_LETTER_TOPIC, [dead_letter(each, UNKNOWN) for each in records], THEN)
    return records


def replayer(log: LocalEventLog, admission: Admission | None = None) -> Replayer:
    return Replayer(log, admission or Admission(), lambda: NOW)


def replayed(log: LocalEventLog, since: int) -> list[Entry]:
    found = [each for each in every_record(log, TOPIC) if each.offset >= since]
    return [Entry(each.key, each.value, each.headers) for each in found]


def test_what_is_valid_now_goes_back_as_it_came_and_only_once(log: LocalEventLog) -> None:
    good, bad = click("ada"), click("bea", object_id="")
    set_aside(log, good, bad)
    first, second = replayer(log).replay(), replayer(log).replay()
    assert (first.replayed, first.still_wrong) == (1, {"invalid": 1})
    assert (second.replayed, second.still_wrong) == (0, {"invalid": 1})
    assert replayed(log, since=2) == [good]
    assert [each.record.key for each in dead_letters(log)] == [b"acme/bea"]


def test_only_those_that_are_chosen(log: LocalEventLog) -> None:
    records = set_aside(log, click("ada"), click("bea"))
    assert replayer(log).replay(lambda letter: letter.position.offset == records[1].offset).replayed == 1
    assert [each.record.key for each in dead_letters(log)] == [b"acme/ada"]


def test_more_than_a_batch(log: LocalEventLog) -> None:
    set_aside(log, *(click(f"u{number}") for number in range(450)))
    assert replayer(log).replay().replayed == 450
    assert list(dead_letters(log)) == []


def test_a_letter_of_before_its_user_was_forgotten_stays_out(log: LocalEventLog) -> None:
    set_aside(log, click("ada"), click("bea"))
    append_removal(log, Removal(UserKey("acme", "ada"), THEN + timedelta(hours=1)))
    result = replayer(log).replay()
    assert (result.replayed, result.forgotten) == (1, 1)
    assert [each.key for each in replayed(log, since=2)] == [b"acme/bea"]


def test_it_is_of_before_by_the_logs_clock_too_though_its_reporters_was_ahead(log: LocalEventLog) -> None:
    set_aside(log, click("ada", at=THEN + timedelta(minutes=4)))
    append_removal(log, Removal(UserKey("acme", "ada"), THEN + timedelta(minutes=1)))
    assert replayer(log).replay().forgotten == 1
    assert replayed(log, since=1) == []


def test_a_letter_of_afterwards_goes_back(log: LocalEventLog) -> None:
    append_removal(log, Removal(UserKey("acme", "ada"), THEN - timedelta(seconds=1)))
    set_aside(log, click("ada"))
    assert replayer(log).replay().replayed == 1


class ForgettingMeanwhile(LocalEventLog):
    """Forgets ada between the look at the tombstones and the append."""

    is_armed = False

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        if topic == TOPIC and self.is_armed:
            self.is_armed = False
            ada = UserKey("acme", "ada")
            append_removal(self, Removal(ada, NOW))
            self.redact(TOPIC, log_key(ada))
        return super().append(topic, entries, now)


def test_who_is_forgotten_meanwhile_leaves_nothing_behind(tmp_path: Path) -> None:
    log = ForgettingMeanwhile(tmp_path)
    set_aside(log, click("ada"), click("bea"))
    log.is_armed = True
    replayer(log).replay()
    assert {each.key for each in every_record(log, TOPIC)} == {b"acme/bea"}
    log.close()


class Dying(LocalEventLog):
    """Is killed between the events and the markers."""

    is_armed = False

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        if topic == DEAD_LETTER_TOPIC and self.is_armed:
            raise OSError(5, "killed")
        return super().append(topic, entries, now)


def test_killed_before_the_marker_it_is_there_twice_under_one_id(tmp_path: Path) -> None:
    log = Dying(tmp_path)
    set_aside(log, click("ada"))
    log.is_armed = True
    with pytest.raises(OSError, match="killed"):
        replayer(log).replay()
    log.is_armed = False
    assert replayer(log).replay().replayed == 1
    first, second = replayed(log, since=1)
    assert first == second
    assert dict(first.headers)["ce_id"] == b"e1"


def test_one_that_was_cut_is_taken_from_the_place_it_came_from(log: LocalEventLog) -> None:
    entry = click("ada")
    room = MAX_ENTRY_BYTES - entry_bytes(entry.key, entry.value, (*entry.headers, ("padding", b"")))
    padded = Entry(entry.key, entry.value, (*entry.headers, ("padding", b"x" * room)))
    set_aside(log, padded)
    assert next(iter(dead_letters(log))).is_cut
    assert replayer(log).replay().replayed == 1
    assert replayed(log, since=1) == [padded]


def test_one_that_was_cut_and_is_no_longer_in_the_log_stays(log: LocalEventLog) -> None:
    gone = Record(TOPIC, 0, 7, 0, b"acme/ada", b"v" * MAX_ENTRY_BYTES)
    log.append(DEAD_LETTER_TOPIC, [dead_letter(gone, UNKNOWN)], THEN)
    assert replayer(log).replay().still_wrong == {"gone": 1}
