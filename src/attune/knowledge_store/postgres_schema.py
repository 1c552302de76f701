"""The tables of a PostgreSQL store, version 7 as those of SQLite, in a schema of their own, `attune`.

Text is compared by bytes ("C"), as Python compares it. A user's record is packed already, so nothing is compressed
again. An index over a digest of both names finds a user: the names themselves may be long.

Processes of a version go on with its tables and with those of the next, for a rolling upgrade. Where they must not, the
version counts two at once (docs/adr/0025-migrations.md).
"""

from attune.knowledge_store.postgres_migrations import (
    CLAIMS,
    CONSENTS_SUMMARIES_COMPANIONS,
    OLDEST,
    Connection,
    migrate,
)
from attune.knowledge_store.store import StoreError

VERSION = 7
TABLES = ("users", "tombstones", "consents", "summaries", "companions", "positions", "objects")
"""Any row of them makes a store one that is not empty. Claims do not: a worker may wait while a backup is loaded."""
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


def prepare(connection: Connection) -> None:
    """Makes the tables, or migrates them, once, whoever else starts now; where nothing is to be done it waits for
    nobody. Raises StoreError for a version that this one does not go on with.
    """
    if _is_behind(_version(connection)):
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
            version = _version(connection)  # another process may have done it while this one waited
            if version is None:
                connection.execute(_TABLES + CONSENTS_SUMMARIES_COMPANIONS + CLAIMS)
                connection.execute("INSERT INTO attune.version VALUES (%s)", (VERSION,))
            elif _is_behind(version):
                migrate(connection, version, VERSION)
    require_known(_version(connection))


def require_known(version: int | None) -> None:
    """Raises StoreError where a process of this version must not go on: it does so beside the next one only."""
    if version not in {VERSION, VERSION + 1}:
        raise StoreError(
            f"the database has schema {version} and this version knows {VERSION}: upgrade attune, or name another one"
        )


def _is_behind(version: int | None) -> bool:
    return version is None or OLDEST <= version < VERSION


def _version(connection: Connection) -> int | None:
    """None where there is no store yet.

    The catalog's rows are asked: to_regclass goes by what the session has cached, and what it did not find before the
    lock it does not find after it either.
    """
    made = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'attune' AND tablename = 'version')"
    ).fetchone()
    row = connection.execute("SELECT version FROM attune.version").fetchone() if made == (True,) else None
    return None if row is None else int(row[0])
