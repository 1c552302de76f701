"""The consumer: reads from where the store says, applies, and lets the store move the offset in the same transaction.

The log's own memory of consumers is not used: an offset and the state it stands for commit together or not at all, so
that a crash anywhere leaves nothing lost and nothing applied twice (invariant 1).
"""

import threading
from collections.abc import Sequence
from datetime import datetime

import structlog

from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.model import LogPosition
from attune.services.ingest.batch import sort_out
from attune.services.runtime.clock import Clock
from attune.services.runtime.eventlog.port import Entry, EventLog, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, log_key, logged_at, user_of_key
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.restoring import restore
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
        """Begin where the store left off, at the log's start if it is new; what users want gone and allow comes first.

        Raises:
            ConfigError: what `restore` raises.
        """
        restore(self._event_log, self._knowledge.store)
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
            self._set_aside(batch.dead_letters, min(logged_at(each) for each in records))
        last = records[-1]
        applied = self._knowledge.handle(batch.interactions, LogPosition(TOPIC, last.partition, last.offset + 1))
        for outcome in ("new", "duplicates", "forgotten", "withheld"):
            self._metrics.events.labels(outcome).inc(getattr(applied, outcome))
        self._metrics.events.labels("dead_letter").inc(len(batch.dead_letters))

    def _set_aside(self, letters: Sequence[Entry], since: datetime) -> None:
        """Append dead letters, the oldest of which was logged at `since`.

        These records may have been read before their user was forgotten, and their copies be appended after the dead
        letters were redacted. So the tombstones are asked after the append. Forgetting sets one before it redacts: for
        one that is not seen here, the redaction is still to come; what a visible one covers is redacted here.
        """
        self._event_log.append(DEAD_LETTER_TOPIC, letters, self._clock())
        users = {user for letter in letters if (user := user_of_key(letter.key))}
        for user, until in self._knowledge.store.forgotten(users).items():
            if since <= until:
                self._event_log.redact(DEAD_LETTER_TOPIC, log_key(user))
        _log.warning("dead letters", count=len(letters), topic=DEAD_LETTER_TOPIC)

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
