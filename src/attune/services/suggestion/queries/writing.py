"""Writing a file of counted queries: beside the one in use, whose place it takes when it is whole."""

import json
import os
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attune.services.suggestion.known import normalised
from attune.services.suggestion.queries.model import Counted
from attune.services.suggestion.queries.schema import (
    APPLICATION_ID,
    FEW,
    INDEX,
    MOST_LISTED,
    SCHEMA_VERSION,
    TABLES,
)

Next = tuple[int, int, int, int]
"""Number of a query, the place (from 1) among what was asked next, number of that query, and how many users did so."""
_LARGEST = 127


def write_queries(
    file: Path, queries: Iterable[Counted], following: Iterable[Next], facts: Mapping[str, str | int]
) -> int:
    """Write the queries of a tenant and return how many there are; they are numbered from 1 in the order given.

    Whoever reads the file of before goes on with it. Killed at any moment, the file is the old one or the new one.

    Args:
        file: what is written or replaced.
        queries: most users first, ties by normalised text; no two alike when normalised.
        following: by number of the first query, then by place.
        facts: what else is to be known of the count.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")  # a draft that is not finished is thrown away
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.executescript(TABLES)
        total = _fill(connection, queries, following)
        connection.executemany("INSERT INTO facts VALUES (?, ?)", [*facts.items(), ("total", total)])
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        if connection.in_transaction:
            connection.execute("COMMIT")
    _put_in_place(draft, file)
    return total


def _fill(connection: sqlite3.Connection, queries: Iterable[Counted], following: Iterable[Next]) -> int:
    number = 0
    for number, query in enumerate(queries, start=1):
        folded = normalised(query.text)
        connection.execute(
            "INSERT INTO queries VALUES (?, ?, ?, ?, ?)",
            (number, folded, query.text, query.users, json.dumps(query.entity_ids)),
        )
        connection.execute("INSERT INTO words (rowid, folded) VALUES (?, ?)", (number, folded))
        connection.executemany("INSERT INTO naming VALUES (?, ?)", [(each, number) for each in set(query.entity_ids)])
        if query.vector is not None:
            connection.execute("INSERT INTO vectors VALUES (?, ?)", (number, quantized(query.vector)))
    connection.executemany("INSERT INTO next VALUES (?, ?, ?, ?)", following)
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    connection.execute(INDEX)
    # Read to its end first: a statement that is being read sees what is written meanwhile.
    connection.executemany("INSERT INTO best VALUES (?, ?)", list(_best(connection)))
    return number


def _best(connection: sqlite3.Connection) -> Iterator[tuple[str, bytes]]:
    """Of each prefix that many queries begin with, the numbers of the best ones. Memory: a number per query and letter
    of the prefixes that are open, which are those of one query.
    """
    before, numbers = "", [array("i")]
    for folded, number in connection.execute("SELECT folded, number FROM queries ORDER BY folded"):
        shared = _shared(before, folded)
        yield from _closed(before, numbers, shared)
        numbers.extend(array("i") for _ in range(len(folded) - shared))
        for each in numbers:
            each.append(number)
        before = folded
    yield from _closed(before, numbers, -1)


def _shared(one: str, other: str) -> int:
    """How many letters both begin with."""
    alike = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(alike) if a != b), min(len(one), len(other)))


def _closed(before: str, numbers: "list[array[int]]", shared: int) -> Iterator[tuple[str, bytes]]:
    """The prefixes of `before` that are longer than what the next query shares with it."""
    while len(numbers) > shared + 1:
        found = np.asarray(numbers.pop(), dtype="<i4")
        if len(found) > FEW:
            best = np.sort(np.partition(found, MOST_LISTED)[:MOST_LISTED])
            yield before[: len(numbers)], best.tobytes()


def quantized(vector: NDArray[np.float32]) -> bytes:
    """A vector as int8, its largest component as 127. A vector of zeros stays one."""
    largest = float(np.abs(vector).max(initial=0)) or 1.0
    return np.round(vector * (_LARGEST / largest)).astype(np.int8).tobytes()


def restored(stored: bytes) -> NDArray[np.float32]:
    """The unit vector of what `quantized` made; its cosine with the original is over 0.999."""
    vector = np.frombuffer(stored, np.int8).astype(np.float32)
    return vector / (float(np.linalg.norm(vector)) or 1.0)


def _put_in_place(draft: Path, file: Path) -> None:
    _make_durable(draft)
    draft.replace(file)
    _make_durable(file.parent)


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
