"""The tables of a PostgreSQL store, version 4 as those of SQLite, in a schema of their own, `attune`.

Text is compared by bytes ("C"), as Python compares it. A user's record is packed already, so nothing is compressed
again. An index over a digest of both names finds a user: the names themselves may be long.
"""

import psycopg

from attune.knowledge_store.store import StoreError

VERSION = 4
_OLDEST = 3
TABLES = ("users", "tombstones", "consents", "summaries", "companions", "positions", "objects")
_MAKING = 0x61747475  # "attu": held by whoever makes or migrates the tables

_TABLES = """
CREATE SCHEMA attune;
CREATE TABLE attune.version (version integer NOT NULL);
CREATE TABLE attune.users (
    digest bytea PRIMARY KEY, tenant bytea NOT NULL, "user" bytea NOT NULL,
    record bytea NOT NULL, digests bytea NOT NULL
);
ALTER TABLE attune.users ALTER record SET STORAGE EXTERNAL, ALTER digests SET STORAGE EXTERNAL;
CREATE TABLE attune.tombstones (
    user_digest bytea NOT NULL, entity_id bytea NOT NULL, forgotten_at bigint NOT NULL,
    PRIMARY KEY (user_digest, entity_id)
);
CREATE TABLE attune.positions (
    log text COLLATE "C" NOT NULL, partition integer NOT NULL, next_offset bigint NOT NULL,
    PRIMARY KEY (log, partition)
);
CREATE TABLE attune.objects (
    digest bytea PRIMARY KEY, tenant bytea NOT NULL, object_id bytea NOT NULL, entities bytea NOT NULL
);
"""
_SINCE_4 = """
CREATE TABLE attune.consents (user_digest bytea PRIMARY KEY, choices bytea NOT NULL);
CREATE TABLE attune.summaries (
    digest bytea PRIMARY KEY, tenant bytea NOT NULL, "user" bytea NOT NULL, summary bytea NOT NULL
);
CREATE TABLE attune.companions (
    tenant bytea NOT NULL, entity_id bytea NOT NULL, companions bytea NOT NULL,
    PRIMARY KEY (tenant, entity_id)
);
"""


def prepare(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Makes the tables that are missing, once, whoever else starts now. Raises StoreError for another version."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
        row = connection.execute("SELECT to_regclass('attune.version') IS NOT NULL").fetchone()
        if row is not None and not row[0]:
            connection.execute(_TABLES + _SINCE_4)
            connection.execute("INSERT INTO attune.version VALUES (%s)", (VERSION,))
        elif connection.execute("SELECT version FROM attune.version").fetchone() == (_OLDEST,):
            connection.execute(_SINCE_4)
            connection.execute("UPDATE attune.version SET version = %s", (VERSION,))
        found = connection.execute("SELECT version FROM attune.version").fetchone()
    if found != (VERSION,):
        version = "none" if found is None else found[0]
        raise StoreError(
            f"the database has schema {version} and this version knows {VERSION}: upgrade attune, or name another one"
        )
