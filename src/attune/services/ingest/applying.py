"""From a stretch of one partition to the store, with what is wrong set aside: in one transaction with the offset."""

from collections.abc import Mapping
from datetime import datetime

import structlog

from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.model import LogPosition, UserKey
from attune.services.ingest.batch import Batch, sort_out
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.settings import IngestSettings
from attune.services.runtime.clock import Clock
from attune.services.runtime.consuming.backlog import Backlog
from attune.services.runtime.eventlog.port import EventLog
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
        self._set_aside(backlog, batch)
        applied = self._knowledge.handle(batch.interactions, LogPosition(TOPIC, partition, to, epoch=backlog.epoch))
        backlog.applied_to(to)
        self._metrics.applied(applied, len(batch.dead_letters), [logged_at(each) for each in records], self._clock())
        return len(records)

    def _set_aside(self, backlog: Backlog, batch: Batch) -> None:
        """Before the offset moves: a crash in between repeats dead letters, and never loses one. A transaction that is
        tried again in this process does not.
        """
        if backlog.set_aside >= backlog.end:
            return
        self._settings.dead_letters.add(len(backlog.records), batch.reasons)
        if batch.dead_letters:
            self._append_dead_letters(backlog, batch)
        backlog.set_aside = backlog.end

    def _append_dead_letters(self, backlog: Backlog, batch: Batch) -> None:
        """Append dead letters, but those from before their user was forgotten.

        A user may be forgotten between the look at the tombstones and the append, and the copies then land behind the
        redaction of dead letters. So the tombstones are looked at again afterwards. Forgetting sets one before it
        redacts: for one that is not seen even now, the redaction is still to come; for one that is new since the first
        attempt, the user's dead letters are redacted here.
        """
        dead = [
            (each, user_of_key(each.key), at) for each, at in zip(batch.dead_letters, batch.dead_since, strict=True)
        ]
        users = dict.fromkeys(user for _, user, _ in dead if user)
        before = self._knowledge.store.forgotten(users)
        if backlog.forgotten is None:
            backlog.forgotten = before
        kept = [letter for letter, user, at in dead if not _is_covered(user, at, before)]
        if kept:
            self._event_log.append(DEAD_LETTER_TOPIC, kept, self._clock())
            _log.warning("dead letters", count=len(kept), topic=DEAD_LETTER_TOPIC)
        since = self._knowledge.store.forgotten(users)
        covered = dict.fromkeys(user for _, user, at in dead if user and _is_covered(user, at, since))
        for user in covered:
            if backlog.forgotten.get(user) != since[user]:
                self._event_log.redact(DEAD_LETTER_TOPIC, log_key(user))


def _is_covered(user: UserKey | None, at: datetime, forgotten: Mapping[UserKey, datetime]) -> bool:
    """Whether what the log took then is from before the user was forgotten."""
    return user is not None and user in forgotten and at <= forgotten[user]
