"""What triples say of subjects, gathered by subject on disk: triples come in any order, and in any number."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby, islice

from attune.knowledge_store.importing.report import ImportReport
from attune.knowledge_store.model import Entity, Link


class FactKind(IntEnum):
    """In the order in which the names of an entity are wanted."""

    LABEL = 0
    ALIAS = 1
    DESCRIPTION = 2
    LINK = 3


@dataclass(frozen=True, slots=True)
class Fact:
    """`rank`: of several labels or descriptions, the lowest is taken. `relation` is a link's."""

    subject: str
    kind: FactKind
    value: str
    rank: int = 0
    relation: str = ""


def entities_of(facts: Iterable[Fact], report: ImportReport) -> Iterator[Entity]:
    """An entity for each subject that has a label, by id. Its other labels become aliases."""
    with sqlite3.connect("") as database:  # a private file, which SQLite removes; held in memory while it is small
        database.execute("CREATE TABLE facts (subject TEXT, kind INTEGER, rank INTEGER, value TEXT, relation TEXT)")
        rest = iter(facts)
        while batch := list(islice(rest, 10_000)):
            rows = [(each.subject, each.kind, each.rank, each.value, each.relation) for each in batch]
            database.executemany("INSERT INTO facts VALUES (?, ?, ?, ?, ?)", rows)
        found = database.execute("SELECT * FROM facts ORDER BY subject, kind, rank, rowid")
        for subject, rows_ in groupby(found, key=lambda row: row[0]):
            entity = _entity(subject, list(rows_))
            if entity is None:
                report.leave_out("subjects without a label in the languages")
            else:
                yield entity
    database.close()


def _entity(subject: str, rows: list[tuple[str, int, int, str, str]]) -> Entity | None:
    labels = [value for _, kind, _, value, _ in rows if kind == FactKind.LABEL]
    if not labels:
        return None
    aliases = [value for _, kind, _, value, _ in rows if kind == FactKind.ALIAS]
    description = next((value for _, kind, _, value, _ in rows if kind == FactKind.DESCRIPTION), "")
    links = dict.fromkeys(Link(relation, value) for _, kind, _, value, relation in rows if kind == FactKind.LINK)
    return Entity(subject, labels[0], (*labels[1:], *aliases), description, tuple(links))
