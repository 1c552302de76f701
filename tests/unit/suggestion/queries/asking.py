"""Logs of queries, and all that a directory of counted ones tells of a tenant."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attune.knowledge_store.model import UserKey
from attune.services.suggestion.queries.asked import Asked
from attune.services.suggestion.queries.counting import Plan, Report, count_queries
from attune.services.suggestion.queries.file import QueryFile
from attune.services.suggestion.queries.model import NO_QUERIES, QueryStatistics
from attune.services.suggestion.queries.schema import file_of
from attune.services.suggestion.screening import Screen

START = datetime(2026, 3, 1, tzinfo=UTC)
MANY = 1000


def asked(user: str, text: str, minute: float = 0, *, tenant: str = "acme", session: str = "") -> Asked:
    return Asked(UserKey(tenant, user), text, START + timedelta(minutes=minute), session)


def by_many(text: str, users: int, minute: float = 0) -> list[Asked]:
    """The same query of so many users."""
    return [asked(f"u{number}", text, minute) for number in range(users)]


def count(directory: Path, log: Iterable[Asked], k: int = 3, screen: Screen | None = None, **plan: Any) -> Report:
    return count_queries(list(log), directory, screen or Screen(), START, Plan(k, **plan))


def statistics_of(directory: Path, tenant: str = "acme") -> QueryStatistics:
    file = file_of(directory, tenant)
    return QueryFile(file) if file.exists() else NO_QUERIES


def counted(directory: Path, log: Iterable[Asked], k: int = 3, **plan: Any) -> QueryStatistics:
    count(directory, log, k, **plan)
    return statistics_of(directory)


def texts(found: Sequence[Any]) -> list[str]:
    return [each.text for each in found]


def content(directory: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of every file."""
    found = {}
    for file in sorted(directory.glob("of-*.sqlite")):
        with closing(sqlite3.connect(file)) as connection:
            names = [
                name
                for (name,) in connection.execute(
                    "SELECT DISTINCT tbl_name FROM sqlite_master WHERE sql LIKE 'CREATE TABLE%'"
                )
            ]
            for name in sorted(names):
                found[f"{file.name}/{name}"] = sorted(connection.execute(f"SELECT * FROM {name}"), key=repr)  # noqa: S608
    return found
