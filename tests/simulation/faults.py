"""Where a process can die, stall or be refused: around every call that it makes to the store and to the log."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from attune.knowledge_store.model import LogPosition
from attune.knowledge_store.store import FencedError
from attune.knowledge_store.store_model import Applied, Projected
from attune.knowledge_store.store_sqlite import SqliteRows, SqliteStore
from attune.services.runtime.eventlog.port import Entry, EventLog, Position, Record

Reach = Callable[[str], None]
"""Told of the place that a process has come to. It may raise, or run what others do meanwhile, and then return."""


_SELDOM = ("store.position", "before poll", "after poll", "store.objects", "store.consents", "store.forgotten")
_OFTEN = ("store.apply", "log.append", "within a transaction")


WITHIN_TRANSACTION = "within a transaction"
WITHIN_APPLY = "within the transaction of store.apply"
COMMITTING = (WITHIN_TRANSACTION, WITHIN_APPLY)
"""Where all is said, and nothing committed. No other process can write meanwhile."""


def position_of(letter: Record | Entry) -> str:
    """Where the record lies that a dead letter was made of."""
    return dict(letter.headers)["attune_position"].decode()


def weight_of(place: str) -> float:
    """How much more often than others something is to happen there: much is asked often, and little hangs on it."""
    if place.endswith(_SELDOM):
        return 0.2
    if place == WITHIN_APPLY:
        return 20.0
    return 8.0 if place.endswith(_OFTEN) else 3.0


class Killed(BaseException):
    """The process dies here. No handler of errors hears of it."""


class SimulatedStore(SqliteStore):
    """The real store, which tells when all of a transaction is said and nothing is committed.

    Workers share one object of it. That is as if each had opened the file: the object keeps nothing but connections,
    no two transactions are under way at once here, and what a lock would refuse, `ReachedStore` does.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.committing: Reach = lambda _place: None
        self._place = WITHIN_TRANSACTION
        self.fenced: Callable[[], None] = lambda: None

    def wipe(self) -> None:
        """Lose everything, claims too."""
        with super()._writing() as rows:
            tables = ("users", "tombstones", "consents", "summaries", "companions", "positions", "objects", "claims")
            for table in tables:
                rows._execute(f"DELETE FROM {table}")  # noqa: S608 - our own names

    def apply(self, batch: Sequence[Projected], position: LogPosition | None = None) -> Applied:
        """As the store does it; tells when it refuses a worker of before."""
        self._place = WITHIN_APPLY
        try:
            return super().apply(batch, position)
        except FencedError:
            self.fenced()
            raise
        finally:
            self._place = WITHIN_TRANSACTION

    @contextmanager
    def _writing(self) -> Iterator[SqliteRows]:
        with super()._writing() as rows:
            yield rows
            self.committing(self._place)


class ReachedStore:
    """A process's way to the store. Each call comes to a place before, and to one after."""

    def __init__(self, store: SimulatedStore, reach: Reach) -> None:
        self._store = store
        self._reach = reach

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found):
            return found

        def call(*given: Any, **named: Any) -> Any:
            self._reach(f"before store.{name}")
            answer = found(*given, **named)
            self._reach(f"after store.{name}")
            return answer

        return call


class ReachedLog:
    """A process's way to the log. `redacting` hears, just before, of which key's records in which topic are erased."""

    def __init__(
        self,
        log: EventLog,
        reach: Reach,
        redacting: Callable[[str, bytes], None] = lambda _topic, _key: None,
    ) -> None:
        self._log = log
        self._reach = reach
        self._redacting = redacting

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        """One record after the other, so that a process can die with half of them in the log."""
        self._reach("before log.append")
        positions = []
        for number, entry in enumerate(entries):
            if number:
                self._reach("within log.append")
            positions += self._log.append(topic, [entry], now)
        self._reach("after log.append")
        return positions

    def redact(self, topic: str, key: bytes) -> int:
        """As the broker does it."""
        self._reach("before log.redact")
        self._redacting(topic, key)
        erased = self._log.redact(topic, key)
        self._reach("after log.redact")
        return erased

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)
