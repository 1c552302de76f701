"""The command: a store is filled step by step, and looked into at each."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.store_rows import RowStore
from attune.knowledge_store.store_sqlite import SqliteStore
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.store_speed.population import TENANT, Population
from attune.services.cli.measure.store_speed.timing import read_times, write_speed
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import ConfigError
from attune.services.runtime.settling import settle

_CHUNK = 20_000
_WRITTEN_BATCHES = 40


def store(  # noqa: PLR0913 - options of a command
    *,
    catalog: Annotated[Path, typer.Option(help="JSONL of entities, which the users' are drawn from.")],
    users: Annotated[
        list[int] | None, typer.Option(min=1, help="How many users; repeated, the store grows. Default: 10000, 100000.")
    ] = None,
    url: Annotated[
        str, typer.Option(help="An empty PostgreSQL database to measure, postgresql://...; without it, SQLite.")
    ] = "",
    directory: Annotated[
        Path | None, typer.Option(help="Where the SQLite file is made, and deleted again. Default: a temporary place.")
    ] = None,
    light: Annotated[int, typer.Option(min=1, help="Entities of a light user.")] = 20,
    full: Annotated[int, typer.Option(min=1, help="Entities of a full user.")] = 512,
    full_every: Annotated[int, typer.Option(min=2, help="One user in so many is full.")] = 1000,
    lookups: Annotated[int, typer.Option(min=10, help="Timed calls of each kind.")] = 3000,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a knowledge store: reading a user, RetrieveEntities' work, writing events, and bytes for each user.

    Each size is measured for light users and for full ones, drawn at random. Retrieval is in every mode, with a context
    of up to eight entities. Nothing else is timed: no network, no linking.

    Example: attune bench store --catalog catalog.jsonl --users 10000 --users 1000000
    """
    with told_plainly(), ExitStack() as stack:
        sizes = sorted(users or [10_000, 100_000])
        entities = Catalog.load(catalog)
        wanted = max(light, full)
        if len(entities) < wanted:
            raise ConfigError(f"--catalog {catalog}: {len(entities)} entities: give one of {wanted} at least")
        population = Population([entity.id for entity in entities], light, full, full_every, seed)
        measured = stack.enter_context(_store(url, directory, full))
        rows = _measure(measured, CatalogGraph(entities), population, sizes, lookups)
        engine = "postgres" if url else "sqlite"
        rows = [{"engine": engine, **row} for row in rows]
        made = make_report(rows, _summary(engine, rows), system_clock())
        if url:
            made["command"] = made["command"].replace(url, "postgresql://...")  # it may have a password
        if out is not None:
            write(made, out, page_of("A knowledge store", made))
    show(made, as_json=as_json)


@contextmanager
def _store(url: str, directory: Path | None, capacity: int) -> Iterator[RowStore]:
    with tempfile.TemporaryDirectory(dir=directory) as place:
        opened: RowStore
        if url:
            from attune.knowledge_store.store_postgres import PostgresStore  # noqa: PLC0415 - an extra

            opened = PostgresStore(url, capacity=capacity)
        else:
            opened = SqliteStore(Path(place) / "bench.sqlite", capacity=capacity)
        try:
            if next(opened.users(), None) is not None:
                raise ConfigError("--url: the store has users: give an empty database, as this fills it")
            yield opened
        finally:
            opened.close()


def _measure(
    measured: RowStore, graph: CatalogGraph, population: Population, sizes: Sequence[int], lookups: int
) -> list[Row]:
    random = Random(population.seed)  # noqa: S311 - no secret
    for entity_id in population.entity_ids:
        graph.closest(entity_id)  # sorted when first asked for: once in the life of a service
    settle()  # as servers do: a collection of all the graph takes hundreds of milliseconds
    rows: list[Row] = []
    measured.replace_companions(TENANT, population.companions())
    empty, done = (measured.size() or 0), 0
    with progress() as bar:
        filling = bar.add_task("filling", total=sizes[-1])
        for size in sizes:
            started = time.perf_counter()
            for start in range(done, size, _CHUNK):
                measured.put_users(population.records(start, min(start + _CHUNK, size)))
                bar.update(filling, completed=min(start + _CHUNK, size))
            filled, done = time.perf_counter() - started, size
            bytes_of = _bytes_per_user(measured, population, size, (measured.size() or 0) - empty)
            for kind in (False, True):
                numbers = _drawn(population, size, lookups, full=kind, random=random)
                if numbers:
                    times = read_times(measured, graph, population, numbers, random)
                    rows.append({"users": size, "kind": "full" if kind else "light", "bytes": bytes_of[kind], **times})
            speed = write_speed(measured, population, size, _WRITTEN_BATCHES, random)
            rows.append({"users": size, "filled_s": filled, **speed})
    return rows


def _drawn(population: Population, size: int, count: int, *, full: bool, random: Random) -> list[int]:
    of_kind = [number for number in range(size) if population.is_full(number) == full]
    return random.choices(of_kind, k=count) if of_kind else []


def _bytes_per_user(measured: RowStore, population: Population, size: int, total: int) -> dict[bool, float]:
    """What the engine takes, shared out among light and full users by the lengths of their records."""
    full = sum(population.is_full(number) for number in range(size))
    lengths = {
        kind: measured.record_bytes(population.user(population.full_every - 1 if kind else 0))
        for kind in ((False, True) if full else (False,))
    }
    light = size - full
    overhead = (total - light * lengths[False] - full * lengths.get(True, 0)) / size
    return {kind: length + overhead for kind, length in lengths.items()}


def _summary(engine: str, rows: Sequence[Row]) -> dict[str, float]:
    """Of the most users: by names that tell the engine, and those that a bar is for by names that are any engine's."""
    timed = [row for row in rows if "retrieve_p99_ms" in row]
    largest = max(int(row["users"]) for row in timed)
    last = [row for row in timed if row["users"] == largest]
    first = [row for row in timed if row["users"] == timed[0]["users"]]
    found = {f"{engine}_retrieve_p99_ms_{row['kind']}": float(row["retrieve_p99_ms"]) for row in last}
    slowest, light = max(found.values()), float(last[0]["bytes"])
    grown = float(last[0]["retrieve_p50_ms"]) / float(first[0]["retrieve_p50_ms"])
    return found | {
        f"{engine}_retrieve_p99_ms": slowest,
        f"{engine}_bytes_per_light_user": light,
        f"{engine}_retrieve_p50_growth": grown,
        f"{engine}_users": float(largest),
        f"retrieve_p99_ms_{_shortly(largest)}_users": slowest,
        "bytes_per_light_user": light,
    }


def _shortly(users: int) -> str:
    """As 1m, 10k or 12345."""
    for unit, letter in ((1_000_000, "m"), (1_000, "k")):
        if users % unit == 0:
            return f"{users // unit}{letter}"
    return str(users)
