"""What was acknowledged, and whether it is there at the end: every event, by its id, in the log and once in the store.

Of a user's events the store keeps how many there were, and a digest of each id of the newest 4,096. Where there were
more, the number tells.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge_store.kept import KeptUser
from attune.knowledge_store.record import REMEMBERED_EVENTS, UserRecord
from attune.knowledge_store.store_model import event_digest
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.services.cli.measure.errors import BenchError
from attune.services.client import Client
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.events import TOPIC

_APPLIED_WITHIN_S = 300
_LOOK_EVERY_S = 0.1
_AT_ONCE, _BYTES = 1000, 8 << 20


class RefusedEventsError(Exception):
    """The log took some of the events, and refused others one by one."""


class Ledger:
    """Ids of events by user: those that were sent, and of them those that the service said are durable."""

    def __init__(self) -> None:
        self.sent: dict[str, set[str]] = defaultdict(set)
        self.acknowledged: dict[str, set[str]] = defaultdict(set)
        self.log_end = 0
        self._lock = threading.Lock()

    def record(self, client: Client, events: Sequence[InteractionEvent]) -> None:
        """Send events of one user, and note what becomes of them. Raises what the client does, RefusedEventsError."""
        user, ids = events[0].user_id, {each.event_id for each in events}
        with self._lock:
            self.sent[user] |= ids
        answer = client.record(events)
        with self._lock:
            self.acknowledged[user] |= ids - {each.event_id for each in answer.rejected}
            self.log_end = max(self.log_end, answer.log_end_offset)
        if answer.rejected_count:
            raise RefusedEventsError


@dataclass(frozen=True, slots=True)
class Losses:
    """What is missing, and what is too much."""

    acknowledged: int
    missing_in_log: int
    missing_in_store: int
    counted_twice: int
    logged_again: int
    """Events of which the log has copies, as where an answer was lost and the call made again: they count once."""

    @property
    def lost(self) -> int:
        """Acknowledged events that are not where they must be."""
        return max(self.missing_in_log, self.missing_in_store)


def losses(client: Client, ledger: Ledger, directory: Path, within_s: float = _APPLIED_WITHIN_S) -> Losses:
    """Compare what was acknowledged with the log in `directory`, and with the store there when it has read all of it.

    An event that was sent and not acknowledged may be there or not. Raises BenchError where the store does not get
    there within `within_s` seconds.
    """
    _wait_until_applied(client, ledger.log_end, within_s)
    logged = Counter(_logged_ids(directory / "events"))
    missing_in_store = counted_twice = 0
    kept = _kept(directory / "knowledge.sqlite")
    for user, sent in ledger.sent.items():
        missing, too_many = _of_user(kept.get(user, UserRecord()), sent, ledger.acknowledged[user])
        missing_in_store += missing
        counted_twice += too_many
    acknowledged = set().union(*ledger.acknowledged.values())
    return Losses(
        len(acknowledged),
        len(acknowledged - logged.keys()),
        missing_in_store,
        counted_twice,
        sum(count > 1 for count in logged.values()),
    )


def _of_user(record: UserRecord, sent: AbstractSet[str], acknowledged: AbstractSet[str]) -> tuple[int, int]:
    """How many acknowledged events the record does not know, and how many it counted beyond one for each id sent."""
    if record.events > REMEMBERED_EVENTS:
        return max(0, len(acknowledged) - record.events), max(0, record.events - len(sent))
    known = {each for each in sent if event_digest(each) in record.digests}
    return len(acknowledged - known), record.events - len(known)


def _kept(file: Path) -> dict[str, UserRecord]:
    store = SqliteStore(file)
    try:
        return {each.user.user: each.record for each in store.dump() if isinstance(each, KeptUser)}
    finally:
        store.close()


def _wait_until_applied(client: Client, end: int, within_s: float) -> None:
    until = time.monotonic() + within_s
    while client.profile("anybody").applied_offset < end:
        if time.monotonic() > until:
            raise BenchError(f"ingest has not applied what was acknowledged after {within_s:g} seconds")
        time.sleep(_LOOK_EVERY_S)


def _logged_ids(directory: Path) -> Iterator[str]:
    log = LocalEventLog(directory)
    try:
        for partition in range(log.partition_count(TOPIC)):
            offset = 0
            while records := log.poll(TOPIC, partition, offset, _AT_ONCE, _BYTES, 0):
                yield from (InteractionEvent.FromString(each.value).event_id for each in records)
                offset = records[-1].offset + 1
    finally:
        log.close()
