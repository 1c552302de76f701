"""Events of the log, and whose of them may be counted among those of many users, or teach the ranker."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import islice
from typing import Generic, Protocol, TypeVar

from attune.events.v1.events_pb2 import EventType, InteractionEvent
from attune.knowledge_store.consent import NO_CHOICE, Consents, Purpose
from attune.knowledge_store.loaded import LoadedCatalog
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store import Store
from attune.services.runtime.eventlog.port import LogReader, Record
from attune.services.runtime.events import TOPIC, logged_at, user_of
from attune.services.runtime.origins import is_simulated
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.records.decoding import decode
from attune.services.runtime.records.refusal import InvalidRecordError
from attune.services.runtime.state_topics import every_record
from attune.services.runtime.validation import Validation

_AT_ONCE = 2000
_REMEMBERED = 65_536
Watch = Callable[[int, int], object]
"""Told how many records are read, and of how many that may still be there: those that were redacted are no more."""


class OfUser(Protocol):
    """What a user did, or what an event says of it."""

    @property
    def user(self) -> UserKey: ...

    @property
    def text(self) -> str:
        """What it says in words; empty where it says nothing."""
        ...

    @property
    def at(self) -> datetime: ...

    @property
    def logged_at(self) -> datetime | None:
        """When the log took it; None where that is not known."""
        ...


T = TypeVar("T", bound=OfUser)


@dataclass(frozen=True, slots=True)
class Logged:
    """A valid event, and when the log took it. Its tenant_id is set."""

    event: InteractionEvent
    logged_at: datetime | None = None

    @property
    def user(self) -> UserKey:
        return user_of(self.event)

    @property
    def text(self) -> str:
        return self.event.user_query

    @property
    def at(self) -> datetime:
        return self.event.occurred_at.ToDatetime(UTC)


class EventsInLog:
    """The event log's events of some types, but not of programs that play users.

    May be read any number of times; what is no event is passed over.
    """

    def __init__(
        self,
        event_log: LogReader,
        admission: Admission,
        types: frozenset[EventType.ValueType],
        watch: Watch = lambda _read, _of: None,
    ) -> None:
        self._event_log = event_log
        self._admission = admission
        self._types = types
        self._watch = watch
        self._validation = Validation()
        self.skipped = 0
        """Records that are no valid event, of the reading that was begun last."""

    def __iter__(self) -> Iterator[Logged]:
        self.skipped = 0
        partitions = range(self._event_log.partition_count(TOPIC))
        total = sum(self._event_log.end_offset(TOPIC, partition) for partition in partitions)
        for number, record in enumerate(every_record(self._event_log, TOPIC), start=1):
            if number % _AT_ONCE == 0:
                self._watch(number, total)
            try:
                found = self._logged(record)
            except InvalidRecordError:
                self.skipped += 1
            else:
                if found is not None:
                    yield found
        self._watch(total, total)

    def _logged(self, record: Record) -> Logged | None:
        """Only what is wanted is held against all rules: most events of a log are not."""
        event = decode(record)
        if event.type not in self._types or is_simulated(event):
            return None
        return Logged(self._admission.event(record, self._validation), logged_at(record))


class Allowed(Generic[T]):
    """Those whose users may be counted: not forgotten since, and consenting to statistics.

    Nor does what its user did not allow to be learned from when it happened.
    """

    def __init__(self, found: Iterable[T], store: Store) -> None:
        self._found = found
        self._store = store
        self.left_out = 0
        """How many were not allowed, of the reading that was begun last."""

    def __iter__(self) -> Iterator[T]:
        self.left_out = 0
        rest = iter(self._found)
        while batch := list(islice(rest, _AT_ONCE)):
            allowed = self._allowed(batch)
            self.left_out += len(batch) - len(allowed)
            yield from allowed

    def _allowed(self, batch: Sequence[T]) -> list[T]:
        users = {each.user for each in batch}
        forgotten, consents = self._store.forgotten(users), self._store.consents(users)
        return [each for each in batch if not _is_covered(each, forgotten) and self._consents(each, consents)]

    def _consents(self, did: T, consents: Mapping[UserKey, Consents]) -> bool:
        default, held = self._store.consent_default, consents.get(did.user, NO_CHOICE)
        if not held.allow(Purpose.STATISTICS, default=default):
            return False
        return all(held.allowed_learning(moment, default=default) for moment in _moments(did))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a user wants to be gone: the history until a moment, and entities, each until one."""

    history_until: datetime | None
    entities: Mapping[str, datetime]


class Unremoved(Generic[T]):
    """Those that may teach the ranker: not of a history that the user has removed from suggestions, and not naming an
    entity that the user has forgotten since.

    Where there is no catalog, nobody can tell which entity a text names: then none teaches that is from before any of
    the user's entities was forgotten.
    """

    def __init__(self, found: Iterable[T], store: Store, catalog: Callable[[], LoadedCatalog | None]) -> None:
        """`catalog` is asked once, where any user has forgotten an entity."""
        self._found = found
        self._catalog = cache(catalog)
        self.left_out = 0
        """How many may not, of the reading that was begun last."""

        def removed_by(user: UserKey) -> _Wanted:
            return _Wanted(store.suppressed(user).history_until, store.forgotten_entities(user))

        self._removed_by = lru_cache(_REMEMBERED)(removed_by)

    def __iter__(self) -> Iterator[T]:
        self.left_out = 0
        for each in self._found:
            if self._is_removed(each):
                self.left_out += 1
            else:
                yield each

    def _is_removed(self, did: T) -> bool:
        removed, moment = self._removed_by(did.user), min(_moments(did))
        if removed.history_until is not None and moment <= removed.history_until:
            return True
        gone = {entity_id for entity_id, until in removed.entities.items() if moment <= until}
        if not gone or not did.text:
            return False
        loaded = self._catalog()
        if loaded is None:
            return True
        named = {each.entity_id for each in loaded.linker.link(did.text)}
        return not named.isdisjoint(map(loaded.catalog.redirects.resolve, gone))


def _is_covered(did: OfUser, forgotten: Mapping[UserKey, datetime]) -> bool:
    until = forgotten.get(did.user)
    return until is not None and min(_moments(did)) <= until


def _moments(did: OfUser) -> tuple[datetime, ...]:
    return (did.at,) if did.logged_at is None else (min(did.at, did.logged_at), did.logged_at)
