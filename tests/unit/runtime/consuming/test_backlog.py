"""What is read of a partition and not applied yet: in order, once, and no more than may be held."""

import pytest

from attune.knowledge_store.model import LogPosition
from attune.knowledge_store.store import StoreBusyError
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import Claim
from attune.services.runtime.consuming.backlog import Backlogs, BatchLimits
from attune.services.runtime.eventlog.port import Record

LIMITS = BatchLimits(records=3, bytes=100, wait_s=5)


class Watch:
    """A clock that never goes back."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def backlogs(watch: Watch) -> Backlogs:
    store = MemoryStore()
    store.apply([], LogPosition("log", 0, 10))
    return Backlogs(store, "log", LIMITS, watch)


def records(*offsets: int, size: int = 1) -> list[Record]:
    return [Record("log", 0, offset, 0, b"", b"x" * size) for offset in offsets]


def test_a_partition_is_read_from_where_the_store_is(backlogs):
    assert backlogs.assigned([0, 1]) == {0: 10, 1: 0}
    assert [(partition, each.start) for partition, each in backlogs.held()] == [(0, 10), (1, 0)]


def test_what_comes_again_is_passed_over(backlogs):
    backlogs.assigned([0])
    backlogs.take(0, records(8, 9, 10, 12))
    backlogs.take(0, records(10, 12, 13))
    [(_, held)] = backlogs.held()
    assert [each.offset for each in held.records] == [10, 12, 13]
    assert held.end == 14


def test_a_batch_is_due_by_its_number_its_bytes_or_its_age(backlogs, watch):
    backlogs.assigned([0])
    [(_, held)] = backlogs.held()
    assert not backlogs.is_due(held)
    backlogs.take(0, records(10))
    assert not backlogs.is_due(held)
    watch.now = 5
    assert backlogs.is_due(held)
    assert not backlogs.is_full(held)
    backlogs.take(0, records(11, 12))
    assert backlogs.is_full(held)
    held.applied_to(13)
    watch.now = 6
    backlogs.take(0, records(13, size=100))
    assert backlogs.is_due(held)
    assert held.since == 6


def test_partitions_of_which_one_cannot_be_claimed_are_none_of_them_held(watch, monkeypatch):
    store = MemoryStore()
    real = store.claim

    def claim(log: str, partition: int) -> Claim:
        if partition == 1:
            raise StoreBusyError("the store is busy: try again")
        return real(log, partition)

    monkeypatch.setattr(store, "claim", claim)
    backlogs = Backlogs(store, "log", LIMITS, watch)
    with pytest.raises(StoreBusyError):
        backlogs.assigned([0, 1])
    assert list(backlogs.held()) == []


def test_what_was_revoked_is_dropped_and_claimed_anew(backlogs):
    backlogs.assigned([0])
    backlogs.take(0, records(10))
    [(_, before)] = backlogs.held()
    backlogs.revoked([0, 5])
    backlogs.take(0, records(11))
    assert list(backlogs.held()) == []
    backlogs.assigned([0])
    [(_, now)] = backlogs.held()
    assert (now.records, now.epoch != before.epoch) == ([], True)
