"""The tables of a SQLite store, version 7, and the making of the file.

Times are microseconds since 1970 in UTC. Keys are natural, so that equal stores have equal rows. Users have row numbers
besides: without them a record of more than a kilobyte would take a page of its own.
"""

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from attune.knowledge_store.sqlite_migrations import OLDEST, migrate
from attune.knowledge_store.store import StoreError

VERSION = 7
APPLICATION_ID = 0x61747475  # "attu"

_PAGE_BYTES = 16_384
"""Records of most of a kilobyte fill such pages; of 4,096 bytes a seventh would stay empty."""
_TABLES = """
CREATE TABLE users (
    tenant TEXT NOT NULL, user TEXT NOT NULL, record BLOB NOT NULL, digests BLOB NOT NULL,
    UNIQUE (tenant, user)
) STRICT;
CREATE TABLE tombstones (
    user_digest BLOB NOT NULL, entity_id TEXT NOT NULL, forgotten_at INTEGER NOT NULL,
    PRIMARY KEY (user_digest, entity_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE consents (user_digest BLOB PRIMARY KEY, choices TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE summaries (
    tenant TEXT NOT NULL, user TEXT NOT NULL, summary TEXT NOT NULL,
    PRIMARY KEY (tenant, user)
) STRICT, WITHOUT ROWID;
CREATE TABLE companions (
    tenant TEXT NOT NULL, entity_id TEXT NOT NULL, companions TEXT NOT NULL,
    PRIMARY KEY (tenant, entity_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE positions (
    log TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (log, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE claims (
    log TEXT NOT NULL, partition INTEGER NOT NULL, epoch INTEGER NOT NULL,
    PRIMARY KEY (log, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE objects (
    tenant TEXT NOT NULL, object_id TEXT NOT NULL, entities TEXT NOT NULL,
    PRIMARY KEY (tenant, object_id)
) STRICT, WITHOUT ROWID;
"""


def create(path: Path) -> None:
    """Makes a new store, unless there is a file. Raises StoreError where no file can be made.

    It is built under another name and then linked to its own, so that of several processes one wins and none ever sees
    half a store, and so that no descriptor of a store in use is closed, which would drop SQLite's locks on it. Only the
    owner may read it, for it holds what people are interested in; SQLite's side files follow.
    """
    if path.exists():
        return
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)
        os.close(descriptor)
        try:
            _build(draft)
            with suppress(FileExistsError):
                os.link(draft, path)
            _sync_directory(path.parent)
        finally:
            Path(draft).unlink()
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror}: give a file in a directory that exists and can be written"
        ) from error


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreError for another schema and for what is no store. An older schema is migrated, a store that was
    restored writes ahead again.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if int(connection.execute("PRAGMA application_id").fetchone()[0]) != APPLICATION_ID:
        raise StoreError(f"{path} is not a knowledge store: give the path of one, or of a new file")
    require_known(connection, path)
    if version < OLDEST:
        raise StoreError(
            f"{path} has schema {version}, which no release had: move it away, start again to have the store built"
            " from the event log, and index the documents again"
        )
    if version < VERSION:
        migrate(connection, version, VERSION)
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")


def require_known(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreError for a schema of a later version, to which another process may have migrated meanwhile."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise StoreError(
            f"{path} has schema {version} and this version knows {VERSION}: upgrade attune, or open another file"
        )


def _build(path: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.executescript(_TABLES)


def _sync_directory(path: Path) -> None:
    """Without it a power cut could take the new name away, and with it all that was committed under it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
