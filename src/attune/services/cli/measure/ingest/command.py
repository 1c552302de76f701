"""The command: events are put into the log, and read from it into a store as the ingest role does it."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.model import LogPosition
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.ingest.fuzzing import fuzz_row
from attune.services.cli.measure.ingest.reading import Reading, read_at_rate, read_what_is_there
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.eventlog.port import EventLog
from attune.services.runtime.events import TOPIC
from attune.services.runtime.logs import configure_logs
from attune.services.runtime.settling import settle
from attune.services.runtime.stores import open_knowledge, open_source


def ingest(  # noqa: PLR0913 - options of a command
    *,
    catalog: Annotated[Path, typer.Option(help="JSONL of entities, which queries name.")],
    url: Annotated[
        str, typer.Option(help="An empty PostgreSQL database to write to, postgresql://...; without it, SQLite.")
    ] = "",
    number: Annotated[int, typer.Option("--events", min=1000, help="How many are read as fast as it goes.")] = 50_000,
    users: Annotated[int, typer.Option(min=1, help="Whose events they are, drawn at random.")] = 20_000,
    rate: Annotated[
        list[int] | None,
        typer.Option(
            min=1, help="Events a second that come steadily, for the time until they are visible; repeatable."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="For how long they come.")] = 20,
    fuzz: Annotated[int, typer.Option(min=0, help="Also so many wrong and right records of all sorts.")] = 0,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure how fast events get from the log into a store, and when they can be seen there.

    The log is in Kafka where ATTUNE_KAFKA_BOOTSTRAP_SERVERS says so: one for this alone, whose topics are there
    (`attune events init`), as events of a tenant `bench` are left in it; without, the local log is measured. Who reads
    is one thread of this process; events a second and core are by the time that it computes. Steady events are made by
    another process.

    Example: attune bench ingest --catalog catalog.jsonl --rate 2000
    """
    configure_logs("error")
    with told_plainly(), _opened(catalog, url) as reading:
        rows: list[Row] = [read_what_is_there(reading, number, users, seed)]
        rows += [read_at_rate(reading, each, seconds, users, seed + 1 + place) for place, each in enumerate(rate or ())]
        if fuzz:
            rows.append(fuzz_row(reading, fuzz, seed))
        made = make_report(rows, _summary(rows, url), system_clock(), [reading.engines])
        if url:
            made["command"] = made["command"].replace(url, "postgresql://...")  # it may have a password
        if out is not None:
            write(made, out, page_of("From the log to the store", made))
    show(made, as_json=as_json)


@contextmanager
def _opened(catalog: Path, url: str) -> Iterator[Reading]:
    with tempfile.TemporaryDirectory() as place:
        settings = {"data_dir": Path(place), "catalog_path": catalog, "store_url": url, "dead_letter_ratio": 1}
        config = Config.model_validate(Config().model_dump() | settings | {"kafka_group": f"bench-{Path(place).name}"})
        knowledge, source = open_knowledge(config), open_source(config, config.kafka_group)
        try:
            if next(knowledge.store.users(), None) is not None:
                raise ConfigError("--url: the store has users: give an empty database, as this fills it")
            _begin_at_the_end(knowledge, source.log)
            settle()  # as who starts the roles does
            yield Reading(config, knowledge, source, "PostgreSQL" if url else "SQLite")
        finally:
            source.log.close()
            knowledge.store.close()


def _begin_at_the_end(knowledge: Knowledge, log: EventLog) -> None:
    """What lies in the log already is no part of it."""
    for partition in range(log.partition_count(TOPIC)):
        knowledge.handle([], LogPosition(TOPIC, partition, log.end_offset(TOPIC, partition)))


def _summary(rows: Sequence[Row], url: str) -> dict[str, float]:
    """Figures of PostgreSQL have names of their own, so that both reports can be put together."""
    engine = "_postgresql" if url else ""
    found = {f"events_per_s_per_core{engine}": float(rows[0]["events_per_s_per_core"])}
    steady = [row for row in rows if "visible_p95_s" in row]
    if steady:
        found[f"visible_p95_s{engine}"] = float(steady[-1]["visible_p95_s"])
    for row in rows:
        if "fuzzed" in row:
            found |= {"fuzzed": float(row["fuzzed"]), "fuzz_lost": float(row["lost"])}
    return found
