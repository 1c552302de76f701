"""The consumer: reads from where the store says, applies, and lets the store move the offset in the same transaction.

The log's own memory of consumers is not used: an offset and the state it stands for commit together or not at all, so
that a crash anywhere leaves nothing lost and nothing applied twice (invariant 1).
"""

import threading
from collections.abc import Sequence

import structlog

from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.model import LogPosition
from attune.services.ingest.batch import sort_out
from attune.services.runtime.auth import ConfigError
from attune.services.runtime.clock import Clock
from attune.services.runtime.eventlog.port import EventLog, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.validation import Validation

_log = structlog.get_logger("attune.ingest")
_MOST_RECORDS = 500
_MOST_BYTES = 4 << 20
_POLL_S = 0.25
_RETRY_S = 1.0


class IngestWorker:
    """Applies the log to the store until it is stopped. One worker per store: partitions are read in turn."""

    def __init__(self, log: EventLog, knowledge: Knowledge, clock: Clock, metrics: Metrics) -> None:
        self._event_log = log
        self._knowledge = knowledge
        self._clock = clock
        self._metrics = metrics
        self._validation = Validation()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attune-ingest", daemon=True)

    def start(self) -> None:
        """Begin, where the store left off.

        Raises:
            ConfigError: the store is ahead of the log: they do not belong together.
        """
        for partition in self._partitions():
            applied = self._knowledge.store.position(TOPIC, partition)
            end = self._event_log.end_offset(TOPIC, partition)
            if applied > end:
                raise ConfigError(
                    f"the knowledge store has applied {TOPIC}/{partition} up to {applied}, but the log ends at {end}: "
                    "put the log back; a store built again from a log forgets who was to be forgotten"
                )
        self._thread.start()

    def stop(self) -> None:
        """End after the batch in hand."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def apply_next(self, partition: int, timeout_s: float) -> int:
        """Apply the next batch of a partition; return how many records it had."""
        offset = self._knowledge.store.position(TOPIC, partition)
        end = self._event_log.end_offset(TOPIC, partition)
        records = self._event_log.poll(TOPIC, partition, offset, _MOST_RECORDS, _MOST_BYTES, timeout_s)
        if records:
            self._apply(records)
        elif end > offset:  # all that lay there before the poll was redacted
            self._knowledge.handle([], LogPosition(TOPIC, partition, end))
        next_offset = records[-1].offset + 1 if records else end
        self._metrics.lag.set(self._event_log.end_offset(TOPIC, partition) - next_offset)
        return len(records)

    def _apply(self, records: Sequence[Record]) -> None:
        batch = sort_out(records, self._validation)
        if batch.dead_letters:
            # Before the offset moves: a crash in between repeats a dead letter, and never loses one.
            self._event_log.append(DEAD_LETTER_TOPIC, batch.dead_letters, self._clock())
            _log.warning("dead letters", count=len(batch.dead_letters), topic=DEAD_LETTER_TOPIC)
        last = records[-1]
        applied = self._knowledge.handle(batch.interactions, LogPosition(TOPIC, last.partition, last.offset + 1))
        for outcome in ("new", "duplicates", "forgotten"):
            self._metrics.events.labels(outcome).inc(getattr(applied, outcome))
        self._metrics.events.labels("dead_letter").inc(len(batch.dead_letters))

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                partitions = self._partitions()
                for partition in partitions:
                    self.apply_next(partition, _POLL_S / len(partitions))
            except Exception:  # noqa: BLE001 - whatever it is, nothing was written and the batch stays next
                if self._stopped.is_set():
                    return
                _log.exception("a batch could not be applied; it will be tried again", after_s=_RETRY_S)
                self._stopped.wait(_RETRY_S)

    def _partitions(self) -> range:
        return range(self._event_log.partition_count(TOPIC))
