"""The tables of a SQLite store, version 1, and the opening of a file that may be older, newer, or something else.

Times are microseconds since 1970 in UTC. Keys are natural, with tenant and user first, so that a user's rows lie
together and equal stores have equal rows.
"""

import sqlite3
from pathlib import Path

from attune.knowledge_store.store import StoreError

VERSION = 1
APPLICATION_ID = 0x61747475  # "attu"

_TABLES = """
CREATE TABLE users (
    tenant TEXT NOT NULL, user TEXT NOT NULL,
    events INTEGER NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, newest_epoch INTEGER NOT NULL,
    PRIMARY KEY (tenant, user)
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    tenant TEXT NOT NULL, digest BLOB NOT NULL, user TEXT NOT NULL,
    PRIMARY KEY (tenant, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_of_user ON events (tenant, user);
CREATE TABLE entities (
    tenant TEXT NOT NULL, user TEXT NOT NULL, entity_id TEXT NOT NULL,
    counts TEXT NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
    weight REAL NOT NULL, rank REAL NOT NULL,
    PRIMARY KEY (tenant, user, entity_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX entities_by_rank ON entities (tenant, user, rank DESC, entity_id);
CREATE TABLE tombstones (
    user_digest BLOB NOT NULL, entity_id TEXT NOT NULL, forgotten_at INTEGER NOT NULL,
    PRIMARY KEY (user_digest, entity_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE suppressions (
    tenant TEXT NOT NULL, user TEXT NOT NULL, fingerprint BLOB NOT NULL, history_until INTEGER NOT NULL,
    PRIMARY KEY (tenant, user, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE TABLE positions (
    log TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (log, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE objects (
    tenant TEXT NOT NULL, object_id TEXT NOT NULL, entities TEXT NOT NULL,
    PRIMARY KEY (tenant, object_id)
) STRICT, WITHOUT ROWID;
"""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Creates the tables in a new file. Raises StoreError for a newer schema, and for another program's database."""
    if _version(connection, path) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection, path) != VERSION:  # another process may have been faster
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if tables and application != APPLICATION_ID:
        raise StoreError(f"{path} is another program's database: give the path of a knowledge store, or of a new file")
    if version > VERSION:
        raise StoreError(
            f"{path} has schema {version} and this version knows {VERSION}: upgrade attune, or open another file"
        )
    return version
