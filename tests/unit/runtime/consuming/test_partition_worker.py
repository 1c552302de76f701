"""The worker of any topic: what it does before it reads, and when another has claimed what it has."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attune.knowledge_store.store import FencedError
from attune.knowledge_store.store_model import Claim
from attune.services.runtime.consuming.backlog import Backlog, Backlogs, BatchLimits
from attune.services.runtime.consuming.metrics import ConsumingMetrics
from attune.services.runtime.consuming.readiness import Readiness
from attune.services.runtime.consuming.worker import PartitionWorker
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry
from attune.services.runtime.events import TOPIC
from attune.services.runtime.metrics import Metrics

NOW = datetime(2026, 11, 3, tzinfo=UTC)


class State:
    """Takes records of partitions by the epoch of their last claim, and remembers what was done to it."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.done: list[str] = []
        self._epochs: dict[int, int] = {}
        self._offsets: dict[int, int] = {}

    def prepare(self) -> None:
        self.done.append("prepared")

    def claim(self, _topic: str, partition: int) -> Claim:
        self.done.append(f"claimed {partition}")
        self._epochs[partition] = self._epochs.get(partition, 0) + 1
        return Claim(self._epochs[partition], self._offsets.get(partition, 0))

    def apply(self, partition: int, backlog: Backlog, to: int) -> int:
        if backlog.epoch != self._epochs[partition]:
            raise FencedError(TOPIC, partition)
        count = len(backlog.records)
        self.values += [each.value for each in backlog.records]
        self._offsets[partition] = to
        backlog.applied_to(to)
        return count


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEventLog]:
    opened = LocalEventLog(tmp_path / "events", partitions=2)
    yield opened
    opened.close()


def worker(log: LocalEventLog, state: State, prepare: Callable[[], None] | None = None) -> PartitionWorker:
    """Applies at once what it reads."""
    metrics = ConsumingMetrics(Metrics(), "attune_test")
    backlogs = Backlogs(state, TOPIC, BatchLimits(wait_s=0), lambda: 0.0)
    readiness = Readiness(metrics, "records do not reach the state")
    return PartitionWorker(Source.local(log), backlogs, state, metrics, readiness, prepare or state.prepare)


def append(log: LocalEventLog, *values: bytes) -> None:
    log.append(TOPIC, [Entry(b"key", each) for each in values], NOW)


def test_the_state_is_prepared_before_anything_is_claimed(log):
    state = State()
    running = worker(log, state)
    running.start()
    running.stop()
    assert state.done[0] == "prepared"


def test_what_cannot_be_prepared_is_told_to_who_starts(log):
    state = State()

    def prepare() -> None:
        raise ValueError("no")

    running = worker(log, state, prepare)
    with pytest.raises(ValueError, match="no"):
        running.start()
    running.stop()
    assert state.done == []


def test_who_is_fenced_prepares_the_state_and_claims_all_anew(log):
    state = State()
    running = worker(log, state)
    append(log, b"1")
    assert running.step(0) == 1
    for partition in (0, 1):
        state.claim(TOPIC, partition)
    state.done.clear()
    append(log, b"2")
    assert running.step(0) == 0
    assert running.step(0) == 1
    assert state.done == ["prepared", "claimed 0", "claimed 1"]
    assert state.values == [b"1", b"2"]


def test_who_is_fenced_and_cannot_prepare_the_state_tries_again(log):
    state = State()
    refusals = [OSError("away"), OSError("away")]

    def prepare() -> None:
        if refusals:
            raise refusals.pop()

    running = worker(log, state, prepare)
    append(log, b"1")
    running.step(0)
    for partition in (0, 1):
        state.claim(TOPIC, partition)
    append(log, b"2")
    running.step(0)
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            running.step(0)
    assert running.step(0) == 1
    assert state.values == [b"1", b"2"]
