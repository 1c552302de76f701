"""Dead letters that a worker left behind: of users who were forgotten just when it was killed.

A worker that has appended dead letters looks whether their users were forgotten meanwhile, and redacts what lies behind
their redaction (applying.py). Where it is killed in between, the record is out of the log, and nobody comes upon the
letter again. So each start looks through what was set aside since the last one.
"""

from collections.abc import Sequence

import structlog

from attune.knowledge_store.model import LogPosition
from attune.knowledge_store.store import Store
from attune.services.ingest.batch import taken_at
from attune.services.runtime.dead_letters import dead_letter_of
from attune.services.runtime.eventlog.port import EventLog, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, log_key, user_of_key
from attune.services.runtime.state_topics import read_on

_log = structlog.get_logger("attune.ingest")


def sweep(event_log: EventLog, store: Store) -> None:
    """Redact the dead letters from before their user was forgotten, of those not looked at yet.

    The store keeps how far they were: who is forgotten later has them redacted then.
    """
    read_on(event_log, store, DEAD_LETTER_TOPIC, lambda records, position: _sweep(event_log, store, records, position))


def _sweep(event_log: EventLog, store: Store, records: Sequence[Record], position: LogPosition) -> None:
    letters = [letter.record for each in records if (letter := dead_letter_of(each)) is not None]
    taken = [(user, taken_at(each)) for each in letters if (user := user_of_key(each.key)) is not None]
    forgotten = store.forgotten({user for user, _ in taken})
    covered = dict.fromkeys(user for user, at in taken if user in forgotten and at <= forgotten[user])
    erased = sum(event_log.redact(DEAD_LETTER_TOPIC, log_key(user)) for user in covered)
    if erased:
        _log.info("dead letters of forgotten users erased", count=erased, topic=DEAD_LETTER_TOPIC)
    store.apply([], position)
