"""What both SQL engines say in the same words: the statements of tombstones, log positions and claims."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Protocol

from attune.knowledge_store.codec import to_datetime, to_microseconds
from attune.knowledge_store.kept import KeptTombstone
from attune.knowledge_store.model import LogPosition, UserKey
from attune.knowledge_store.tombstones import Tombstones

_WHOLE_USER = ""  # in place of an entity id in tombstones: observations always have an id


class Found(Protocol):
    """What a statement gives, by either engine's client."""

    @property
    def rowcount(self) -> int:
        """Of rows that were changed."""
        ...

    def fetchone(self) -> Any:
        """The next row, or None."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class SqlRows(ABC):
    """A part of rows.Rows. An engine brings how it asks and how it stores text.

    Statements name tables as PostgreSQL does (`attune.`) and values as SQLite does (`?`).
    """

    @abstractmethod
    def _run(self, statement: str, *values: object) -> Found:
        """Asks at once."""

    @abstractmethod
    def _stream(self, query: str) -> Iterable[Any]:
        """Every row; a few at a time in memory."""

    @abstractmethod
    def _stored(self, text: str) -> Any:
        """As the tables have it: order by it is order of the text."""

    @abstractmethod
    def _text(self, stored: Any) -> str:
        """What was `_stored`."""

    def tombstones(self, user: UserKey) -> Tombstones:
        rows = self._run("SELECT entity_id, forgotten_at FROM attune.tombstones WHERE user_digest = ?", user.digest)
        return self._tombstones(rows)

    def _tombstones(self, rows: Iterable[tuple[Any, int]]) -> Tombstones:
        """A user's, by entities and times as they are stored."""
        held = {self._text(entity_id): to_datetime(at) for entity_id, at in rows}
        return Tombstones(held.pop(_WHOLE_USER, None), held)

    def put_tombstone(self, tombstone: KeptTombstone) -> None:
        self._run(
            "INSERT INTO attune.tombstones VALUES (?, ?, ?) ON CONFLICT (user_digest, entity_id) DO UPDATE"
            " SET forgotten_at = excluded.forgotten_at WHERE excluded.forgotten_at > tombstones.forgotten_at",
            tombstone.user_digest,
            self._stored(tombstone.entity_id or _WHOLE_USER),
            to_microseconds(tombstone.forgotten_at),
        )

    def drop_entity_tombstones(self, user: UserKey, until: datetime) -> int:
        return self._run(
            "DELETE FROM attune.tombstones WHERE user_digest = ? AND entity_id != ? AND forgotten_at <= ?",
            user.digest,
            self._stored(_WHOLE_USER),
            to_microseconds(until),
        ).rowcount

    def every_tombstone(self) -> Iterator[KeptTombstone]:
        query = "SELECT user_digest, entity_id, forgotten_at FROM attune.tombstones ORDER BY user_digest, entity_id"
        for digest, entity_id, at in self._stream(query):
            yield KeptTombstone(digest, self._text(entity_id) or None, to_datetime(at))

    def position(self, log: str, partition: int) -> int:
        query = "SELECT next_offset FROM attune.positions WHERE log = ? AND partition = ?"
        row = self._run(query, log, partition).fetchone()
        return 0 if row is None else int(row[0])

    def advance(self, position: LogPosition) -> None:
        """A position that does not move is locked all the same: object_links.py counts on it."""
        self._run(
            "INSERT INTO attune.positions VALUES (?, ?, ?) ON CONFLICT (log, partition) DO UPDATE"
            " SET next_offset = excluded.next_offset WHERE excluded.next_offset > positions.next_offset",
            position.log,
            position.partition,
            position.next_offset,
        )

    def claim(self, log: str, partition: int, epoch: int) -> None:
        self._run(
            "INSERT INTO attune.claims VALUES (?, ?, ?)"
            " ON CONFLICT (log, partition) DO UPDATE SET epoch = excluded.epoch",
            log,
            partition,
            epoch,
        )

    def epoch(self, log: str, partition: int) -> int:
        """A change that changes nothing, for either engine then holds the row until the end."""
        query = "UPDATE attune.claims SET epoch = epoch WHERE log = ? AND partition = ? RETURNING epoch"
        row = self._run(query, log, partition).fetchone()
        return 0 if row is None else int(row[0])

    def positions(self) -> Iterator[LogPosition]:
        for row in self._run("SELECT log, partition, next_offset FROM attune.positions ORDER BY log, partition"):
            yield LogPosition(*row)
