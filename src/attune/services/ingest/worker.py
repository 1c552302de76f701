"""The worker: reads the partitions that the group gives it, from where the store says, and applies what it reads.

The log's own memory of consumers is not used but to show the lag: offsets that count are the store's.
"""

import threading
import time
from collections.abc import Callable, Collection

import structlog

from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.store import FencedError
from attune.services.ingest.applying import Applier
from attune.services.ingest.backlog import Backlog, Backlogs
from attune.services.ingest.dead_letter_limit import TooManyDeadLettersError
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.readiness import Readiness, Reason
from attune.services.ingest.settings import IngestSettings
from attune.services.runtime.clock import Clock
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.errors import OffsetOutOfRangeError
from attune.services.runtime.events import TOPIC
from attune.services.runtime.restoring import restore

_log = structlog.get_logger("attune.ingest")
_POLL_S = 0.1
_RETRY_S = 1.0


class IngestWorker:
    """Applies the log to the store until it is stopped. Several may share a store, each with partitions of its own."""

    def __init__(
        self,
        source: Source,
        knowledge: Knowledge,
        clock: Clock,
        metrics: IngestMetrics,
        settings: IngestSettings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._knowledge = knowledge
        self._metrics = metrics
        self._backlogs = Backlogs(knowledge.store, TOPIC, settings.batches, monotonic)
        self._consumer = source.consumer(TOPIC, self._backlogs)
        self._applier = Applier(source.log, knowledge, clock, metrics, settings)
        self._fenced = False
        """Whether some of what the group has given to this worker is claimed by another."""
        self.readiness = Readiness(metrics)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attune-ingest", daemon=True)

    def start(self) -> None:
        """Begin where the store left off, at the log's start if it is new; what users want gone and allow comes first.

        Raises:
            ConfigError: what `restore` raises.
        """
        restore(self._source.log, self._knowledge.store)
        self._thread.start()

    def stop(self) -> None:
        """End after the batch in hand, and leave the partitions to others."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._consumer.close()

    def step(self, timeout_s: float) -> int:
        """Read once, and apply what is due; how many records were applied."""
        if self._fenced:
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
        """Read no more of a partition whose backlog the store does not take, so that memory stays bounded."""
        full = {partition: self._backlogs.is_full(backlog) for partition, backlog in self._backlogs.held()}
        self._consumer.pause([each for each, is_full in full.items() if is_full])
        self._consumer.resume([each for each, is_full in full.items() if not is_full])

    def _skipped(self, partition: int, backlog: Backlog) -> bool:
        """Whether all that lay behind the store's offset is erased: the offset moves on all the same."""
        return not backlog.records and self._consumer.position(partition) > backlog.start

    def _apply(self, partition: int, backlog: Backlog) -> int:
        to = backlog.end if backlog.records else self._consumer.position(partition)
        try:
            return self._applier.apply(partition, backlog, to)
        except FencedError:
            _log.warning("another worker has claimed the partition: joining the group anew", partition=partition)
            self._backlogs.revoked([partition])
            self._fenced = True
            return 0

    def _join_anew(self) -> None:
        """Who is fenced may be the rightful owner all the same: one who lost the partition may have claimed it late,
        and the store may have been built again. In either case nobody would read it, were it only dropped here.
        """
        self._consumer.close()
        self._backlogs.revoked([partition for partition, _ in self._backlogs.held()])
        restore(self._source.log, self._knowledge.store)
        self._consumer = self._source.consumer(TOPIC, self._backlogs)
        self._fenced = False

    def _show(self, applied: Collection[int]) -> None:
        """How far the worker is, to who watches: the lag here, and in the log what was applied."""
        held = dict(self._backlogs.held())
        for partition, backlog in held.items():
            self._metrics.lag.labels(partition).set(max(0, self._consumer.end(partition) - backlog.start))
        self._consumer.commit({partition: held[partition].start for partition in applied if partition in held})

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.step(_POLL_S)
                self.readiness.set(None)
            except (OffsetOutOfRangeError, TooManyDeadLettersError) as error:
                self.readiness.set(Reason.STOPPED, str(error))
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing was written and the batch stays next
                if self._stopped.is_set():
                    return
                _log.exception("events could not be applied; it will be tried again", after_s=_RETRY_S)
                self.readiness.set(Reason.FAILING, str(error))
                self._stopped.wait(_RETRY_S)
