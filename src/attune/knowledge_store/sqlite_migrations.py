"""From an older schema to today's, at the start, in one transaction: a kill leaves the old store for the next start.

Rows are read and written one user at a time, so that memory does not grow with the store.
"""

import json
import sqlite3
from collections.abc import Callable

from attune.knowledge_store.codec import DIGEST_BYTES, encode, encode_digests, to_datetime
from attune.knowledge_store.model import EntityState
from attune.knowledge_store.privacy import decode_counts
from attune.knowledge_store.record import REMEMBERED_EVENTS, UserRecord
from attune.knowledge_store.store_model import Suppressed

OLDEST = 2


def migrate(connection: sqlite3.Connection, version: int, newest: int) -> None:
    """Step by step. Other processes read on until the end; from then on those of an older version refuse.

    Version 3 does not: it must be stopped before.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it, or more, while this one waited for the lock.
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        for before, step in _STEPS.items():
            if before >= version:
                step(connection)
        connection.execute(f"PRAGMA user_version = {max(version, newest)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _one_row_a_user(connection: sqlite3.Connection) -> None:
    """2 to 3: users, their events, entities and suppressions become one record a user.

    Version 2 had no `recent` weights: they begin as the others, and are right again within a week.
    """
    for table in ("users", "entities", "events", "suppressions"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    connection.execute("DROP INDEX entities_by_rank")
    connection.execute(
        "CREATE TABLE users (tenant TEXT NOT NULL, user TEXT NOT NULL, record BLOB NOT NULL, digests BLOB NOT NULL,"
        " UNIQUE (tenant, user)) STRICT"
    )
    every = "SELECT tenant, user FROM old_users UNION SELECT tenant, user FROM old_suppressions ORDER BY 1, 2"
    for key in connection.execute(every):  # sorted apart: what is written meanwhile is another table
        record = _old_record(connection, key)
        connection.execute("INSERT INTO users VALUES (?, ?, ?, ?)", (*key, encode(record), encode_digests(record)))
    for table in ("users", "entities", "events", "suppressions"):
        connection.execute(f"DROP TABLE old_{table}")


def _old_record(connection: sqlite3.Connection, key: tuple[str, str]) -> UserRecord:
    record = UserRecord()
    seen = "SELECT events, first_seen, last_seen, newest_epoch FROM old_users WHERE tenant = ? AND user = ?"
    row = connection.execute(seen, key).fetchone()
    if row is not None:
        record.events = row[0]
        record.first_seen, record.last_seen, record.newest_epoch = (to_datetime(each) for each in row[1:])
    columns = "entity_id, counts, first_seen, last_seen, weight"
    for entity_id, counts, first, last, weight in connection.execute(
        f"SELECT {columns} FROM old_entities WHERE tenant = ? AND user = ?",  # noqa: S608 - a constant
        key,
    ):
        record.states[entity_id] = EntityState(
            entity_id, decode_counts(json.loads(counts)), to_datetime(first), to_datetime(last), weight, weight
        )
    events = "SELECT digest FROM old_events WHERE tenant = ? AND user = ? LIMIT ?"
    record.digests = {row[0][:DIGEST_BYTES]: None for row in connection.execute(events, (*key, REMEMBERED_EVENTS))}
    wanted = "SELECT fingerprint, history_until FROM old_suppressions WHERE tenant = ? AND user = ? ORDER BY 1"
    held = dict(connection.execute(wanted, key))
    until = held.pop(b"", None)
    record.suppressed = Suppressed(tuple(held), None if until is None else to_datetime(until))
    return record


def _consents_summaries_companions(connection: sqlite3.Connection) -> None:
    """3 to 4: three new tables."""
    connection.execute(
        "CREATE TABLE consents (user_digest BLOB PRIMARY KEY, choices TEXT NOT NULL) STRICT, WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE summaries (tenant TEXT NOT NULL, user TEXT NOT NULL, summary TEXT NOT NULL,"
        " PRIMARY KEY (tenant, user)) STRICT, WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE companions (tenant TEXT NOT NULL, entity_id TEXT NOT NULL, companions TEXT NOT NULL,"
        " PRIMARY KEY (tenant, entity_id)) STRICT, WITHOUT ROWID"
    )


def _claims(connection: sqlite3.Connection) -> None:
    """4 to 5: a new table."""
    connection.execute(
        "CREATE TABLE claims (log TEXT NOT NULL, partition INTEGER NOT NULL, epoch INTEGER NOT NULL,"
        " PRIMARY KEY (log, partition)) STRICT, WITHOUT ROWID"
    )


def _histories(_connection: sqlite3.Connection) -> None:
    """5 to 7: records may hold what was read and said. They become so with their users' next events."""


_STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {
    2: _one_row_a_user,
    3: _consents_summaries_companions,
    4: _claims,
    5: _histories,
}
"""By the version before, in order."""
