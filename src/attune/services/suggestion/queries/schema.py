"""The file of one tenant's counted queries: SQLite, written once and then only read.

Queries are numbered from 1 by how many users asked them, ties by text: so the order in which SQLite walks through
rowids, and FTS5 through its matches, is the order wanted, and a look-up ends as soon as it has enough.
"""

import sqlite3
from pathlib import Path

from attune.services.runtime.config import ConfigError

APPLICATION_ID = 0x61747171  # "atqq"
SCHEMA_VERSION = 1
FEW = 256
"""A prefix that more queries begin with has its best ones in `best`; of others, all are looked at."""
MOST_LISTED = 64
"""So many of the best are kept of a prefix, and at most so many of what was asked next after a query."""
LONGEST = 256
"""Characters of the longest query that is counted."""

TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE queries (
    number INTEGER PRIMARY KEY,  -- 1 is asked by most users
    folded TEXT NOT NULL,        -- known.normalised
    text TEXT NOT NULL,
    users INTEGER NOT NULL,
    entity_ids TEXT NOT NULL     -- a JSON array
);
CREATE TABLE vectors (number INTEGER PRIMARY KEY, vector BLOB NOT NULL);  -- int8, its largest 127
CREATE TABLE next (
    first INTEGER NOT NULL, place INTEGER NOT NULL, second INTEGER NOT NULL, users INTEGER NOT NULL,
    PRIMARY KEY (first, place)
) WITHOUT ROWID;
CREATE TABLE naming (entity_id TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (entity_id, number)) WITHOUT ROWID;
CREATE TABLE best (prefix TEXT PRIMARY KEY, numbers BLOB NOT NULL) WITHOUT ROWID;  -- int32, little-endian
CREATE VIRTUAL TABLE words USING fts5(
    folded, content='', columnsize=0, tokenize='unicode61 remove_diacritics 2'
);
"""
INDEX = "CREATE UNIQUE INDEX by_folded ON queries (folded)"


class QueriesError(ConfigError):
    """A file of counted queries cannot be used; the message names it and the mend."""


def file_of(directory: Path, tenant: str) -> Path:
    """Where a tenant's queries are. Names of tenants have no slash; one that begins with a dot is no hidden file."""
    return directory / f"of-{tenant}.sqlite"


def tenant_of(file: Path) -> str:
    """Whose queries a file has, by its name."""
    return file.name.removeprefix("of-").removesuffix(".sqlite")


def opened(file: Path) -> sqlite3.Connection:
    """A connection that only reads; any thread may use it, one at a time.

    Raises:
        QueriesError: it is no such file, or of another version.
    """
    try:
        # Immutable: it is never changed, only replaced, and so needs no locks.
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        connection.execute("PRAGMA mmap_size = 1073741824")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise _unusable(file, f"cannot be read ({error})") from error
    if application != APPLICATION_ID:
        connection.close()
        raise _unusable(file, "is no file of counted queries")
    if version != SCHEMA_VERSION:
        connection.close()
        raise _unusable(file, f"has schema version {version}, and this attune reads {SCHEMA_VERSION}")
    return connection


def _unusable(file: Path, trouble: str) -> QueriesError:
    return QueriesError(f"{file} {trouble}: run `attune queries count` again, with the attune that serves")
