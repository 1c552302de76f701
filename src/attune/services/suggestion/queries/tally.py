"""Counting distinct users in bounded memory: all that was asked goes to a temporary database, which sorts it on disk.

Users, sessions and texts are in it as keyed digests, and the key is drawn for each count and kept in memory alone: a
file that a killed count leaves behind tells nothing. What was asked is read twice: a text is taken in clear the second
time, and only where k users have written it.
"""

import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Self

from attune.services.suggestion.known import normalised, visible
from attune.services.suggestion.queries.asked import Asked
from attune.services.suggestion.queries.schema import MOST_LISTED
from attune.services.suggestion.queries.sessions import Step, followed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CACHE_KIB = 65_536
_REMEMBERED = 65_536

_TABLES = f"""
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE; PRAGMA cache_size = -{_CACHE_KIB};
BEGIN;
CREATE TABLE asked (
    tenant TEXT, user INTEGER, at INTEGER, session INTEGER, folded BLOB, form BLOB
);
CREATE TABLE kept (
    number INTEGER PRIMARY KEY, tenant TEXT, folded BLOB, users INTEGER, text TEXT, plain TEXT, UNIQUE (folded, tenant)
);
CREATE TABLE forms (number INTEGER, form BLOB, PRIMARY KEY (number, form)) WITHOUT ROWID;
CREATE TABLE refused (tenant TEXT, form BLOB, PRIMARY KEY (form, tenant)) WITHOUT ROWID;
CREATE TABLE pairs (first INTEGER, second INTEGER, user INTEGER);
CREATE TABLE ranked (number INTEGER PRIMARY KEY, rank INTEGER);
"""
_KEEP = """
INSERT INTO kept (tenant, folded, users)
SELECT tenant, folded, count(*) FROM (SELECT DISTINCT tenant, folded, user FROM asked)
GROUP BY tenant, folded HAVING count(*) >= ?
"""
# Those forms that no other form of the same text has more users than.
_KEEP_FORMS = """
INSERT INTO forms SELECT number, form FROM (
    SELECT number, form, users, max(users) OVER (PARTITION BY number) AS most FROM (
        SELECT number, form, count(*) AS users
        FROM (SELECT DISTINCT tenant, folded, form, user FROM asked) JOIN kept USING (tenant, folded)
        GROUP BY number, form HAVING count(*) >= ?
    )
) WHERE users = most
"""
_STEPS = """
SELECT DISTINCT asked.tenant, user, at, session, asked.folded, number
FROM asked LEFT JOIN kept ON kept.folded = asked.folded AND kept.tenant = asked.tenant
ORDER BY asked.tenant, user, at
"""
_RANK = """
INSERT INTO ranked SELECT number, row_number() OVER (PARTITION BY tenant ORDER BY users DESC, plain)
FROM kept WHERE text IS NOT NULL
"""
_QUERIES = "SELECT text, users FROM kept JOIN ranked USING (number) WHERE tenant = ? ORDER BY rank"
_FOLLOWING = """
SELECT first, place, second, users FROM (
    SELECT one.rank AS first, other.rank AS second, count(*) AS users,
        row_number() OVER (PARTITION BY one.rank ORDER BY count(*) DESC, other.rank) AS place
    FROM (SELECT DISTINCT first, second, user FROM pairs) AS pair
        JOIN ranked AS one ON one.number = pair.first JOIN ranked AS other ON other.number = pair.second
        JOIN kept ON kept.number = pair.first
    WHERE tenant = ? GROUP BY one.rank, other.rank HAVING count(*) >= ?
) WHERE place <= ? ORDER BY first, place
"""


class Tally:
    """One count, in a temporary file that goes with it: `add` all, `keep`, `collect` or `refuse`, `rank`, read."""

    def __init__(self, file: Path, k: int) -> None:
        self._file = file
        self._k = k
        self._key = os.urandom(32)
        self._collected = lru_cache(_REMEMBERED)(self._collect)
        file.unlink(missing_ok=True)
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        self._file.unlink(missing_ok=True)

    def add(self, asked: Asked) -> None:
        """Take one query of one user."""
        self._db.execute(
            "INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?)",
            (
                asked.user.tenant,
                self._number(asked.user.user),
                (asked.at - _EPOCH) // _MICROSECOND,
                self._number(asked.session_id) if asked.session_id else 0,
                self._digest(normalised(asked.text)),
                self._digest(_spaced(asked.text)),
            ),
        )

    def keep(self) -> None:
        """Choose the texts that k users asked, and of each the form that most users wrote, if k wrote it so."""
        self._db.execute(_KEEP, (self._k,))
        self._db.execute(_KEEP_FORMS, (self._k,))

    def wanted(self, asked: Asked) -> str | None:
        """Of what was added: the text as it would be kept; None where it is not, or in another form."""
        return self._collected(asked.user.tenant, _spaced(asked.text))

    def collect(self, tenant: str, text: str) -> None:
        """Take a text that is `wanted`, in clear, any number of times.

        Of several forms with equally many users, the first by its text.
        """
        plain = normalised(text)
        self._db.execute(
            "UPDATE kept SET text = min(coalesce(text, ?1), ?1), plain = ?2 WHERE folded = ?3 AND tenant = ?4",
            (text, plain, self._digest(plain), tenant),
        )

    def refuse(self, tenant: str, text: str) -> None:
        """Take note of a text that is `wanted` and must not be suggested; any number of times."""
        self._db.execute("INSERT OR IGNORE INTO refused VALUES (?, ?)", (tenant, self._digest(text)))

    def refused(self) -> int:
        """How many texts are."""
        (found,) = self._db.execute("SELECT count(*) FROM refused").fetchone()
        return int(found)

    def rank(self) -> None:
        """Number what was collected, and pair what users asked one after the other."""
        steps = map(Step._make, self._db.execute(_STEPS))
        self._db.executemany("INSERT INTO pairs VALUES (?, ?, ?)", followed(steps))
        self._db.execute(_RANK)

    def tenants(self) -> list[str]:
        """Those that have queries."""
        found = self._db.execute("SELECT DISTINCT tenant FROM kept JOIN ranked USING (number) ORDER BY tenant")
        return [tenant for (tenant,) in found]

    def queries(self, tenant: str) -> Iterator[tuple[str, int]]:
        """Text and users, most users first, ties by the normalised text: numbered so from 1."""
        yield from self._db.execute(_QUERIES, (tenant,))

    def following(self, tenant: str) -> Iterator[tuple[int, int, int, int]]:
        """As writing.Next."""
        yield from self._db.execute(_FOLLOWING, (tenant, self._k, MOST_LISTED))

    def _collect(self, tenant: str, spaced: str) -> str | None:
        plain = normalised(spaced)
        found = self._db.execute(
            "SELECT number FROM kept WHERE folded = ? AND tenant = ?", (self._digest(plain), tenant)
        ).fetchone()
        if found is None:
            return None
        forms = {form for (form,) in self._db.execute("SELECT form FROM forms WHERE number = ?", found)}
        if not forms:
            return plain
        return spaced if self._digest(spaced) in forms else None

    def _digest(self, text: str) -> bytes:
        return blake2b(text.encode(), digest_size=16, key=self._key).digest()

    def _number(self, name: str) -> int:
        return int.from_bytes(blake2b(name.encode(), digest_size=8, key=self._key).digest(), "big", signed=True)


def _spaced(text: str) -> str:
    return " ".join(visible(text).split())
