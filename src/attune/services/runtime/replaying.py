"""Dead letters back among the events, once what was wrong is mended: here, or in the version that reads them.

Each is judged anew, as of now, and appended as it came, under its own key. A marker follows in the dead-letter topic,
so that it is not replayed again. Killed between the two, the next replay appends it once more: it has the same event
id, by which the store counts it once.

Who was forgotten stays forgotten: a letter from before is left out, by the earlier of the times when it happened and
when the log took it first. A user may be forgotten between the look at the tombstones and the append; they are looked
at again afterwards, as in knowledge/appending.py.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice

from attune.events.v1.events_pb2 import InteractionEvent
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store_memory import MemoryStore
from attune.services.runtime.clock import Clock
from attune.services.runtime.dead_letters import DeadLetter, dead_letters, replayed_marker
from attune.services.runtime.eventlog.port import Entry, EventLog, LogReader, Record
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, log_key, logged_at, user_of
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.removals import restore_removals
from attune.services.runtime.validation import Validation

_BATCH = 200
_GONE = "gone"


@dataclass(slots=True)
class Replayed:
    """What became of the letters that were chosen."""

    replayed: int = 0
    forgotten: int = 0
    """Those of users who were forgotten since. They stay where they are."""
    still_wrong: Counter[str] = field(default_factory=Counter)
    """By reason, those that stay dead letters; "gone" for one that was cut and is no longer in the log either."""


@dataclass(frozen=True, slots=True)
class _Mended:
    letter: DeadLetter
    record: Record
    event: InteractionEvent

    @property
    def user(self) -> UserKey:
        return user_of(self.event)

    @property
    def since(self) -> datetime:
        return min(self.event.occurred_at.ToDatetime(UTC), logged_at(self.letter.record))


class Replayer:
    """Replays dead letters of a log. Nothing else needs to run, and everything may."""

    def __init__(self, event_log: EventLog, admission: Admission, clock: Clock) -> None:
        self._event_log = event_log
        self._admission = admission
        self._clock = clock
        self._validation = Validation()
        self._removals = MemoryStore()

    def replay(self, chosen: Callable[[DeadLetter], bool] = lambda _: True) -> Replayed:
        """Replay those that are `chosen`, by default all.

        Raises:
            ConfigError: the log of removals cannot be read.
        """
        result = Replayed()
        for letters in _batches(filter(chosen, dead_letters(self._event_log))):
            self._replay(letters, result)
        return result

    def _replay(self, letters: Sequence[DeadLetter], result: Replayed) -> None:
        now = self._clock()
        mended = [each for letter in letters if (each := self._mended(letter, now, result)) is not None]
        before = self._forgotten({each.user for each in mended})
        kept = [each for each in mended if not _is_covered(each, before)]
        result.forgotten += len(mended) - len(kept)
        if not kept:
            return
        entries = [Entry(each.record.key, each.record.value, each.record.headers) for each in kept]
        self._event_log.append(TOPIC, entries, now)
        self._redact_forgotten_since({each.user for each in kept}, before)
        self._event_log.append(DEAD_LETTER_TOPIC, [replayed_marker(each.letter) for each in kept], now)
        result.replayed += len(kept)

    def _mended(self, letter: DeadLetter, now: datetime, result: Replayed) -> _Mended | None:
        """The letter's record and event, if it is valid now."""
        record = _whole(self._event_log, letter)
        if record is None:
            result.still_wrong[_GONE] += 1
            return None
        try:
            # It will be logged anew, so it is now that it must not be ahead of.
            anew = replace(record, timestamp_ms=int(now.timestamp() * 1000))
            return _Mended(letter, record, self._admission.event(anew, self._validation))
        except InvalidRecordError as error:
            result.still_wrong[error.reason] += 1
            return None

    def _forgotten(self, users: set[UserKey]) -> dict[UserKey, datetime]:
        restore_removals(self._event_log, self._removals)  # reads what is new since the last time
        return self._removals.forgotten(users)

    def _redact_forgotten_since(self, users: set[UserKey], before: dict[UserKey, datetime]) -> None:
        for user, until in self._forgotten(users).items():
            if before.get(user) != until:
                self._event_log.redact(TOPIC, log_key(user))


def _is_covered(mended: _Mended, forgotten: dict[UserKey, datetime]) -> bool:
    until = forgotten.get(mended.user)
    return until is not None and mended.since <= until


def _whole(event_log: LogReader, letter: DeadLetter) -> Record | None:
    """The record as it came: where the letter was cut, from the place that it came from, if it is still there."""
    if not letter.is_cut:
        return letter.record
    at = letter.position
    if at.offset >= event_log.end_offset(at.topic, at.partition):
        return None
    found = event_log.poll(at.topic, at.partition, at.offset, 1, 1, 0)
    return found[0] if found and found[0].offset == at.offset else None


def _batches(letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    rest = iter(letters)
    while batch := list(islice(rest, _BATCH)):
        yield batch
