"""Consents: to the log first, to their end whoever waits, none lost beside another, and the newest wish counts."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attune.knowledge.v1.consent_pb2 import ConsentRecord
from attune.knowledge_store.consent import Choice, Consents, Purpose
from attune.knowledge_store.model import LogPosition, UserKey
from attune.knowledge_store.store import StoreBusyError
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.knowledge.consenting import Consenting
from attune.services.runtime.consents import CONSENTS_TOPIC, restore_consents
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Position
from attune.services.runtime.purposes import purpose_number

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ADA = UserKey("acme", "ada")
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path)
    yield opened
    opened.close()


def built_again(log: LocalEventLog) -> MemoryStore:
    store = MemoryStore()
    restore_consents(log, store)
    return store


class BusyOnce(MemoryStore):
    """Refuses the first choices that it is told."""

    refuses = True

    def restore_consents(self, said: Sequence[tuple[UserKey, Sequence[Choice]]], position: LogPosition) -> None:
        if self.refuses:
            self.refuses = False
            raise StoreBusyError("the store is busy: try again")
        super().restore_consents(said, position)


class GatedStore(MemoryStore):
    """Takes choices when its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def restore_consents(self, said: Sequence[tuple[UserKey, Sequence[Choice]]], position: LogPosition) -> None:
        assert self.gate.wait(30)
        super().restore_consents(said, position)


async def test_a_choice_is_in_the_log_and_the_store(log: LocalEventLog) -> None:
    store = MemoryStore()
    chosen = await Consenting(store, log, lambda: NOW).choose(ADA, {Purpose.RANKING: False, Purpose.SUMMARY: True})
    assert chosen == Consents.of([Choice(NOW, Purpose.RANKING, False), Choice(NOW, Purpose.SUMMARY, True)])
    assert store.consents([ADA]) == built_again(log).consents([ADA]) == {ADA: chosen}
    assert store.position(CONSENTS_TOPIC, 0) == log.end_offset(CONSENTS_TOPIC, 0)


async def test_saying_it_again_changes_nothing(log: LocalEventLog) -> None:
    clock = iter([NOW, NOW + timedelta(days=1)])
    consenting = Consenting(MemoryStore(), log, lambda: next(clock))
    first = await consenting.choose(ADA, {Purpose.RANKING: False})
    assert await consenting.choose(ADA, {Purpose.RANKING: False}) == first == await consenting.consents(ADA)
    assert log.end_offset(CONSENTS_TOPIC, 0) == 1


async def test_a_grant_that_only_repeats_the_default_is_kept_for_the_default_may_change(log: LocalEventLog) -> None:
    await Consenting(MemoryStore(), log, lambda: NOW).choose(ADA, {Purpose.LEARNING: True})
    stricter = MemoryStore(consent_default=False)
    restore_consents(log, stricter)
    assert stricter.allows(ADA, Purpose.LEARNING)
    assert not stricter.allows(ADA, Purpose.RANKING)


async def test_the_newest_wish_counts_though_the_one_before_was_dated_by_a_clock_that_is_ahead(
    log: LocalEventLog,
) -> None:
    store, ahead = MemoryStore(), NOW + timedelta(minutes=1)
    await Consenting(store, log, lambda: ahead).choose(ADA, {Purpose.LEARNING: True})
    held = await Consenting(store, log, lambda: NOW).choose(ADA, {Purpose.LEARNING: False})
    assert held.newest(Purpose.LEARNING) == Choice(ahead + MICROSECOND, Purpose.LEARNING, False)
    assert not built_again(log).allows(ADA, Purpose.LEARNING)


@pytest.mark.parametrize("purpose", [Purpose.LEARNING, Purpose.RANKING])
async def test_what_is_withdrawn_is_so_at_once_though_it_was_granted_by_a_clock_that_is_ahead(
    log: LocalEventLog, purpose: Purpose
) -> None:
    store, ahead = MemoryStore(), NOW + timedelta(minutes=3)
    await Consenting(store, log, lambda: ahead).choose(ADA, {purpose: True})
    held = await Consenting(store, log, lambda: NOW).choose(ADA, {purpose: False})
    if purpose is Purpose.LEARNING:
        moments = [NOW, NOW + timedelta(minutes=1), NOW + timedelta(minutes=4)]
        assert [held.allowed_learning(each, default=True) for each in moments] == [False] * 3
        assert held.allowed_learning(NOW - MICROSECOND, default=True)
    assert not built_again(log).allows(ADA, purpose)
    assert log.end_offset(CONSENTS_TOPIC, 0) == 2


async def test_what_the_store_could_not_take_it_takes_at_the_next_call_of_anybody(log: LocalEventLog) -> None:
    store = BusyOnce()
    consenting = Consenting(store, log, lambda: NOW)
    with pytest.raises(StoreBusyError):
        await consenting.choose(ADA, {Purpose.LEARNING: False})
    assert store.allows(ADA, Purpose.LEARNING)
    await consenting.choose(UserKey("acme", "bea"), {Purpose.RANKING: False})
    assert store.consents([ADA]) == built_again(log).consents([ADA])
    assert not store.allows(ADA, Purpose.LEARNING)


async def test_a_caller_that_leaves_ends_the_waiting_and_not_the_work(log: LocalEventLog) -> None:
    store = GatedStore()
    consenting = Consenting(store, log, lambda: NOW)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await consenting.choose(ADA, {Purpose.RANKING: False})
    assert store.allows(ADA, Purpose.RANKING)
    store.gate.set()
    await consenting.finish()
    assert not store.allows(ADA, Purpose.RANKING)


async def test_of_choices_made_at_once_the_last_record_has_all(log: LocalEventLog) -> None:
    consenting = Consenting(MemoryStore(), log, lambda: NOW)
    await asyncio.gather(*(consenting.choose(ADA, {purpose: False}) for purpose in Purpose))
    (last,) = log.poll(CONSENTS_TOPIC, 0, len(Purpose) - 1, 9, 1 << 20, 0)
    assert {each.purpose for each in ConsentRecord.FromString(last.value).choices} == set(map(purpose_number, Purpose))


class ChoosingMeanwhile(LocalEventLog):
    """Lets another process withdraw a purpose between the look at the store and the append, once."""

    meanwhile: Consenting | None = None

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        other, self.meanwhile = self.meanwhile, None
        if other:
            other._choose(ADA, {Purpose.LEARNING: False})
        return super().append(topic, entries, now)


async def test_of_choices_made_at_once_in_two_processes_the_last_record_has_both(tmp_path: Path) -> None:
    """The topic may be compacted: of a user, the last record is all that is left."""
    log, store = ChoosingMeanwhile(tmp_path), MemoryStore()
    log.meanwhile = Consenting(store, log, lambda: NOW)
    held = await Consenting(store, log, lambda: NOW).choose(ADA, {Purpose.RANKING: False})
    *_, last = log.poll(CONSENTS_TOPIC, 0, 0, 9, 1 << 20, 0)
    said = {each.purpose for each in ConsentRecord.FromString(last.value).choices}
    assert said == {purpose_number(each) for each in (Purpose.LEARNING, Purpose.RANKING)}
    assert held == store.consents([ADA])[ADA]
    log.close()
