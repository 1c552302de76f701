"""From an older schema to today's, while others go on (docs/adr/0025-migrations.md).

A step makes tables of its own. It alters, rewrites and locks none that is in use, so it is done at once, and waits for
nobody and stops nobody. All steps are one transaction, the caller's: a kill leaves the old schema for the next start.
"""

from collections.abc import Callable
from typing import Any

import psycopg

from attune.knowledge_store.store import StoreError

Connection = psycopg.Connection[tuple[Any, ...]]

OLDEST = 3
CONSENTS_SUMMARIES_COMPANIONS = """
CREATE TABLE attune.consents (user_digest bytea PRIMARY KEY, choices bytea NOT NULL);
CREATE TABLE attune.summaries (
    digest bytea PRIMARY KEY, tenant bytea NOT NULL, "user" bytea NOT NULL, summary bytea NOT NULL
);
CREATE TABLE attune.companions (
    tenant bytea NOT NULL, entity_id bytea NOT NULL, companions bytea NOT NULL,
    PRIMARY KEY (tenant, entity_id)
);
"""
CLAIMS = """
CREATE TABLE attune.claims (
    log text COLLATE "C" NOT NULL, partition integer NOT NULL, epoch bigint NOT NULL,
    PRIMARY KEY (log, partition)
);
"""


def migrate(connection: Connection, version: int, newest: int) -> None:
    """Step by step. Raises StoreError where processes of the old version must end first."""
    for before, step in _STEPS.items():
        if before >= version:
            step(connection)
    connection.execute("UPDATE attune.version SET version = %s", (newest,))


def _consents_summaries_companions(connection: Connection) -> None:
    """3 to 4: three new tables, of which a process of version 3 would know nothing.

    It would learn from who has withdrawn their consent, and leave the summary of who is forgotten. Later versions see
    for themselves that they must end (postgres_schema.py); this one does not.
    """
    others = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'attune'"
    ).fetchone()
    if others != (0,):
        raise StoreError(
            "the database has schema 3, and processes of that version, which know no consents, are connected: stop all"
            " of them, then start this one again"
        )
    connection.execute(CONSENTS_SUMMARIES_COMPANIONS)


def _claims(connection: Connection) -> None:
    """4 to 5: a new table. A process of version 4 is not fenced, and reads no log that others share."""
    connection.execute(CLAIMS)


def _histories(_connection: Connection) -> None:
    """5 to 7: records may hold what was read and said, which a process of version 5 can neither read nor forget.

    No table changes: records become so with their users' next events.
    """


_STEPS: dict[int, Callable[[Connection], None]] = {
    3: _consents_summaries_companions,
    4: _claims,
    5: _histories,
}
"""By the version before, in order."""
