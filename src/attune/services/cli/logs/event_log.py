"""The event log as a command reads it: with the store's word on whose events may be learned from."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from attune.events.v1.events_pb2 import EVENT_TYPE_SUGGESTION_ACCEPTED, EVENT_TYPE_SUGGESTION_SHOWN, EventType
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.loaded import LoadedCatalog
from attune.services.cli.logs.said import TELLING, Said, said_by
from attune.services.cli.output import progress
from attune.services.runtime.config import Config
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.stores import open_event_log, open_existing_store
from attune.services.suggestion.logged import Allowed, EventsInLog, Logged, OfUser, Unremoved, Watch

T = TypeVar("T", bound=OfUser)


class FromLog(StrEnum):
    """What a command takes from the event log."""

    QUERIES = "queries"
    """What users asked and opened."""
    SUGGESTIONS = "suggestions"
    """What was suggested, and accepted."""


_SUGGESTING = frozenset({EVENT_TYPE_SUGGESTION_SHOWN, EVENT_TYPE_SUGGESTION_ACCEPTED})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose events, and since when."""

    tenant: str | None = None
    """None: those of all tenants."""
    since: datetime | None = None

    def takes(self, logged: Logged) -> bool:
        """Whether an event is one of these."""
        is_of_tenant = self.tenant in (None, logged.event.tenant_id)
        return is_of_tenant and (self.since is None or logged.at >= self.since)


class LearnedFrom(Generic[T]):
    """What may be learned from; to be read once."""

    def __init__(self, found: Unremoved[T], allowed: Allowed[T], events: EventsInLog) -> None:
        self._found = found
        self._allowed = allowed
        self._events = events

    def __iter__(self) -> Iterator[T]:
        return iter(self._found)

    @property
    def left_out(self) -> int:
        """How many may not: their users were forgotten, do not allow it, or have removed them."""
        return self._allowed.left_out + self._found.left_out

    @property
    def skipped(self) -> int:
        """Records that are no event."""
        return self._events.skipped


@contextmanager
def suggestions_in_log(wanted: Wanted) -> Iterator[LearnedFrom[Logged]]:
    """Events of what was suggested and accepted.

    Raises:
        ConfigError, EventLogError: there is no log.
        StoreError: there is no store to say whose events they may be.
        CatalogError: the catalog cannot be read.
    """
    with _opened(_SUGGESTING, wanted, iter) as found:
        yield found


@contextmanager
def said_in_log(wanted: Wanted) -> Iterator[LearnedFrom[Said]]:
    """What users asked and opened. Raises as `suggestions_in_log` does."""

    def said(events: Iterator[Logged]) -> Iterator[Said]:
        return (found for each in events if (found := said_by(each.event, each.logged_at)) is not None)

    with _opened(TELLING, wanted, said) as found:
        yield found


@contextmanager
def watched(doing: str) -> Iterator[Watch]:
    """A progress bar on standard error, of the records that are read."""
    with progress() as bar:
        task = bar.add_task(doing, total=None)
        yield lambda read, of: bar.update(task, completed=read, total=of)


@contextmanager
def _opened(
    types: frozenset[EventType.ValueType], wanted: Wanted, make: Callable[[Iterator[Logged]], Iterator[T]]
) -> Iterator[LearnedFrom[T]]:
    config = Config()
    with (
        closing(open_event_log(config)) as event_log,
        closing(open_existing_store(config)) as store,
        watched("reading the event log") as watch,
    ):
        events = EventsInLog(event_log, Admission.of(config), types, watch)
        allowed = Allowed(make(each for each in events if wanted.takes(each)), store)
        yield LearnedFrom(Unremoved(allowed, store, lambda: _catalog(config)), allowed, events)


def _catalog(config: Config) -> LoadedCatalog | None:
    """The one that the services link by; None where they have none."""
    if config.catalog_path is None and not config.catalog.exists():
        return None
    return LoadedCatalog.of(Catalog.load(config.catalog))
