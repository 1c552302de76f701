"""Counted queries out of their file."""

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from itertools import islice
from pathlib import Path

import numpy as np

from attune.services.suggestion.known import normalised, visible
from attune.services.suggestion.queries.model import Counted
from attune.services.suggestion.queries.schema import MOST_LISTED, opened
from attune.services.suggestion.queries.writing import restored

_MOST_WORDS = 32
_BEHIND_ALL = "\U0010ffff"
_BY_NUMBER = """
SELECT text, queries.users, entity_ids, vector FROM queries LEFT JOIN vectors USING (number) WHERE number = ?
"""
_TOP = """
SELECT text, queries.users, entity_ids, vector FROM queries LEFT JOIN vectors USING (number) ORDER BY number LIMIT ?
"""
_NEXT = """
SELECT text, next.users, entity_ids, vector
FROM next JOIN queries ON number = second LEFT JOIN vectors USING (number)
WHERE first = (SELECT number FROM queries WHERE folded = ?) ORDER BY place LIMIT ?
"""
_NAMING = "SELECT number FROM naming WHERE entity_id = ? ORDER BY number LIMIT ?"
_BEGINNING = "SELECT number FROM queries WHERE folded >= ? AND folded < ?"
_CONTAINING = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid LIMIT ?"


class QueryFile:
    """Implements model.QueryStatistics over one file, also when another one has taken its place.

    There is one connection, which threads share: another one might be of the new file, and a look-up is short.
    """

    def __init__(self, file: Path) -> None:
        """Raises QueriesError where the file cannot be used."""
        self._opened = opened(file)
        self._lock = threading.Lock()
        weakref.finalize(self, self._opened.close)
        facts = dict(self._opened.execute("SELECT name, value FROM facts"))
        self.total = int(facts["total"])
        self.vectors_by = str(facts.get("vectors_by", ""))

    def next_after(self, query: str, limit: int) -> Sequence[Counted]:
        with self._connection() as connection:
            return [_counted(row) for row in connection.execute(_NEXT, (normalised(query), limit))]

    def naming(self, entity_ids: Sequence[str], limit: int) -> Sequence[Counted]:
        with self._connection() as connection:
            lists = [_numbers(connection, _NAMING, (each, limit)) for each in dict.fromkeys(entity_ids)]
            return _of_numbers(connection, list(islice(dict.fromkeys(merge(*lists)), limit)))

    def beginning(self, prefix: str, limit: int) -> Sequence[Counted]:
        folded = folded_prefix(prefix)
        with self._connection() as connection:
            if not folded:
                return [_counted(row) for row in connection.execute(_TOP, (limit,))]
            best = connection.execute("SELECT numbers FROM best WHERE prefix = ?", (folded,)).fetchone()
            if best is not None and limit <= MOST_LISTED:
                return _of_numbers(connection, np.frombuffer(best[0], "<i4")[:limit].tolist())
            return _of_numbers(
                connection, sorted(_numbers(connection, _BEGINNING, (folded, folded + _BEHIND_ALL)))[:limit]
            )

    def containing(self, words: Sequence[str], limit: int) -> Sequence[Counted]:
        asked = [each for each in dict.fromkeys(map(normalised, words)) if each][:_MOST_WORDS]
        if not asked:
            return ()
        expression = " OR ".join('"' + each.replace('"', '""') + '"' for each in asked)
        with self._connection() as connection:
            return _of_numbers(connection, _numbers(connection, _CONTAINING, (expression, limit)))

    def users_of(self, query: str) -> int:
        with self._connection() as connection:
            found = connection.execute("SELECT users FROM queries WHERE folded = ?", (normalised(query),)).fetchone()
            return int(found[0]) if found else 0

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._opened


def folded_prefix(prefix: str) -> str:
    """A prefix as queries are compared with it: normalised, but for a space behind its last word, which ends it."""
    folded = normalised(prefix)
    return f"{folded} " if folded and visible(prefix)[-1:].isspace() else folded


def _numbers(connection: sqlite3.Connection, statement: str, values: tuple[str | int, ...]) -> list[int]:
    return [number for (number,) in connection.execute(statement, values)]


def _of_numbers(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[Counted]:
    return [_counted(connection.execute(_BY_NUMBER, (number,)).fetchone()) for number in numbers]


def _counted(row: tuple[str, int, str, bytes | None]) -> Counted:
    text, users, entity_ids, vector = row
    ids = () if entity_ids == "[]" else tuple(json.loads(entity_ids))
    return Counted(text, users, ids, None if vector is None else restored(vector))
