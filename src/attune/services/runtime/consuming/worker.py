"""The worker: reads the partitions that the group gives it, from where its state says, and applies what it reads.

The log's own memory of consumers is not used but to show the lag: offsets that count are kept with the state.
"""

import threading
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from attune.knowledge_store.store import FencedError
from attune.services.runtime.consuming.backlog import Backlog, Backlogs
from attune.services.runtime.consuming.dead_letter_limit import TooManyDeadLettersError
from attune.services.runtime.consuming.metrics import ConsumingMetrics
from attune.services.runtime.consuming.readiness import Readiness, Reason
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.errors import OffsetOutOfRangeError
from attune.services.runtime.tracing import processing

_log = structlog.get_logger("attune.consuming")
_POLL_S = 0.1
_RETRY_S = 1.0
_MOST_RETRY_S = 4.0
"""A worker that does not poll for some minutes would lose its partitions."""


class Applier(Protocol):
    """Brings records into a state."""

    def apply(self, partition: int, backlog: Backlog, to: int) -> int:
        """Apply what there is of a partition and let the state's offset move `to` there; how many records it was.

        Raises FencedError where another worker has claimed the partition, TooManyDeadLettersError; whatever it raises,
        the offset has not moved, and the same call may be made again.
        """
        ...


def _as_it_is() -> None:
    """A state that needs nothing before it is read into."""


def _never() -> bool:
    """A state whose offsets only this worker moves."""
    return False


class PartitionWorker:
    """Applies a topic until it is stopped. Several may share a state, each with partitions of its own."""

    def __init__(
        self,
        source: Source,
        backlogs: Backlogs,
        applier: Applier,
        metrics: ConsumingMetrics,
        readiness: Readiness,
        prepare: Callable[[], None] = _as_it_is,
        outdated: Callable[[], bool] = _never,
    ) -> None:
        """`prepare` brings into the state what must be there before records are, whenever reading begins. `outdated`
        says that the state has other offsets than it had: then they are asked for anew.
        """
        self._source = source
        self._backlogs = backlogs
        self._consumer = source.consumer(backlogs.topic, backlogs)
        self._applier = applier
        self._metrics = metrics
        self._prepare = prepare
        self._outdated = outdated
        self._fenced = False
        """Whether some of what the group has given to this worker is claimed by another."""
        self.readiness = readiness
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"attune-{backlogs.topic}", daemon=True)

    def start(self) -> None:
        """Begin where the state left off, at the log's start if it is new. Raises what `prepare` does."""
        self._prepare()
        self._thread.start()

    def stop(self) -> None:
        """End after the batch in hand, and leave the partitions to others."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._consumer.close()

    def step(self, timeout_s: float) -> int:
        """Read once, and apply what is due; how many records were applied."""
        if self._fenced or self._outdated():
            self._join_anew()
        self._hold_back()
        for partition, records in self._consumer.poll(timeout_s).items():
            self._backlogs.take(partition, records)
        applied = {
            partition: self._apply(partition, backlog)
            for partition, backlog in list(self._backlogs.held())
            if self._backlogs.is_due(backlog) or self._skipped(partition, backlog)
        }
        self._show(applied)
        return sum(applied.values())

    def _hold_back(self) -> None:
        """Read no more of a partition whose backlog is not taken, so that memory stays bounded."""
        full = {partition: self._backlogs.is_full(backlog) for partition, backlog in self._backlogs.held()}
        self._consumer.pause([each for each, is_full in full.items() if is_full])
        self._consumer.resume([each for each, is_full in full.items() if not is_full])

    def _skipped(self, partition: int, backlog: Backlog) -> bool:
        """Whether all that lay behind the state's offset is erased: the offset moves on all the same."""
        return not backlog.records and self._consumer.position(partition) > backlog.start

    def _apply(self, partition: int, backlog: Backlog) -> int:
        to = backlog.end if backlog.records else self._consumer.position(partition)
        try:
            with processing(self._backlogs.topic, partition, backlog.records):
                return self._applier.apply(partition, backlog, to)
        except FencedError:
            _log.warning("another worker has claimed the partition: joining the group anew", partition=partition)
            self._backlogs.revoked([partition])
            self._fenced = True
            return 0

    def _join_anew(self) -> None:
        """Who is fenced may be the rightful owner all the same: one who lost the partition may have claimed it late,
        and the state may have been built again. In either case nobody would read it, were it only dropped here.
        """
        self._consumer.close()
        self._backlogs.revoked([partition for partition, _ in self._backlogs.held()])
        self._prepare()
        self._consumer = self._source.consumer(self._backlogs.topic, self._backlogs)
        self._fenced = False

    def _show(self, applied: Collection[int]) -> None:
        """How far the worker is, to who watches: the lag here, and in the log what was applied."""
        held = dict(self._backlogs.held())
        for partition, backlog in held.items():
            self._metrics.lag.labels(partition).set(max(0, self._consumer.end(partition) - backlog.start))
        self._consumer.commit({partition: held[partition].start for partition in applied if partition in held})

    def _run(self) -> None:
        wait_s = _RETRY_S
        while not self._stopped.is_set():
            try:
                self.step(_POLL_S)
                self.readiness.set(None)
                wait_s = _RETRY_S
            except (OffsetOutOfRangeError, TooManyDeadLettersError) as error:
                self.readiness.set(Reason.STOPPED, str(error))
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the offset has not moved and the batch stays next
                if self._stopped.is_set():
                    return
                _log.exception("records could not be applied; it will be tried again", after_s=wait_s)
                self.readiness.set(Reason.FAILING, str(error))
                self._stopped.wait(wait_s)
                wait_s = min(2 * wait_s, _MOST_RETRY_S)
