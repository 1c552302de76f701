"""From a stretch of one partition to the store, with what is wrong set aside: in one transaction with the offset."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.model import LogPosition
from attune.services.ingest.batch import Batch, sort_out
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.settings import IngestSettings
from attune.services.runtime.clock import Clock
from attune.services.runtime.consuming.backlog import Backlog
from attune.services.runtime.eventlog.port import Entry, EventLog, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, log_key, logged_at, user_of_key
from attune.services.runtime.validation import Validation

_log = structlog.get_logger("attune.ingest")


class Applier:
    """Applies backlogs. The offset and the state it stands for commit together or not at all, so that a crash anywhere
    leaves nothing lost and nothing applied twice (invariant 1).
    """

    def __init__(
        self, log: EventLog, knowledge: Knowledge, clock: Clock, metrics: IngestMetrics, settings: IngestSettings
    ) -> None:
        self._event_log = log
        self._knowledge = knowledge
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._validation = Validation()

    def apply(self, partition: int, backlog: Backlog, to: int) -> int:
        """Apply what there is of a partition and let the store's offset move `to` there; how many records it was.

        Raises FencedError where another worker has claimed the partition, TooManyDeadLettersError; then, and whatever
        else it raises, nothing was applied, and the same call may be made again.
        """
        records = backlog.records
        batch = sort_out(records, self._validation, self._settings.admission)
        self._set_aside(backlog, batch, records)
        applied = self._knowledge.handle(batch.interactions, LogPosition(TOPIC, partition, to, epoch=backlog.epoch))
        backlog.applied_to(to)
        self._metrics.applied(applied, len(batch.dead_letters), [logged_at(each) for each in records], self._clock())
        return len(records)

    def _set_aside(self, backlog: Backlog, batch: Batch, records: Sequence[Record]) -> None:
        """Before the offset moves: a crash in between repeats dead letters, and never loses one. A transaction that is
        tried again in this process does not.
        """
        if backlog.set_aside >= backlog.end:
            return
        self._settings.dead_letters.add(len(records), batch.reasons)
        if batch.dead_letters:
            self._append_dead_letters(batch.dead_letters, min(logged_at(each) for each in records))
        backlog.set_aside = backlog.end

    def _append_dead_letters(self, letters: Sequence[Entry], since: datetime) -> None:
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
