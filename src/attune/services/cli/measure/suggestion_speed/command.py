"""The command: a file of queries is made, and looked into."""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from attune.knowledge_store.model import UserKey
from attune.services.cli.background import on_free_ports, running_system
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.store_speed.population import Population
from attune.services.cli.measure.suggestion_speed.ranking import FALLBACK, RANKER, fallback_times, ranker_times
from attune.services.cli.measure.suggestion_speed.synthetic import Synthetic
from attune.services.cli.measure.suggestion_speed.timing import completion_times, look_up_times, prefix_times
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.call import DEFAULT_TENANT
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.logs import configure_logs
from attune.services.runtime.stores import open_store
from attune.services.suggestion.queries.file import QueryFile
from attune.services.suggestion.queries.schema import file_of
from attune.services.suggestion.queries.writing import write_queries

_FULL = "full"
_OF_A_USER = 512
_NOWHERE = "127.0.0.1:9"
_TOGETHER = "together"


def suggestion(
    *,
    queries: Annotated[int, typer.Option(min=1000, help="How many different queries many users asked.")] = 1_000_000,
    lookups: Annotated[int, typer.Option(min=10, help="Timed calls of each kind.")] = 2000,
    directory: Annotated[
        Path | None, typer.Option(help="Where the file is made, and deleted again. Default: a temporary place.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure looking up among the queries of many users, the ranker, the fallback to it, and completion.

    The queries are made up: drawn by Zipf's law from words of syllables. "together" is one of each look-up that the
    ranker makes. CompleteQuery runs over gRPC with the knowledge service, of nobody and of a user with 512 entities;
    search is away, as no document is there.

    Example: attune bench suggestion --queries 1000000
    """
    with told_plainly(), tempfile.TemporaryDirectory(dir=directory) as place, progress() as bar:
        bar.add_task("measuring", total=None)
        configure_logs("error")
        config = _config(Path(place))
        synthetic = Synthetic.drawn(queries, seed)
        started = time.perf_counter()
        file = file_of(config.queries, DEFAULT_TENANT)
        write_queries(file, synthetic.counted(), synthetic.following(), {})
        written_s, megabytes = time.perf_counter() - started, file.stat().st_size / 1e6
        made: Row = {"what": "file", "queries": queries, "written_s": written_s, "megabytes": megabytes}
        rows = [made, *_measured(config, synthetic, lookups, seed)]
        report = make_report(rows, _summary(rows), system_clock())
        if out is not None:
            write(report, out, page_of("Looking up queries", report))
    show(report, as_json=as_json)


def _config(place: Path) -> Config:
    return on_free_ports(Config(), place).model_copy(
        update={"queries_dir": None, "embedding_address": _NOWHERE, "search_address": _NOWHERE}
    )


def _measured(config: Config, synthetic: Synthetic, lookups: int, seed: int) -> list[Row]:
    random = Random(seed)  # noqa: S311 - no secret
    found, texts = QueryFile(file_of(config.queries, DEFAULT_TENANT)), synthetic.texts
    rows = look_up_times(found, texts, synthetic.entity_ids(), lookups, random)
    rows += prefix_times(found, texts, lookups, random)
    rows += ranker_times(found, synthetic, lookups, random)
    rows += fallback_times(found, synthetic, max(10, lookups // 20), random)
    _put_user(config, synthetic)
    with ExitStack() as stack:
        roles = (RoleName.KNOWLEDGE, RoleName.SUGGESTION)
        system = stack.enter_context(running_system(config, system_clock, roles=roles))
        client = stack.enter_context(Client(Addresses.of(system.config)))
        for user in ("", _FULL):
            rows += completion_times(client, texts, user, max(10, lookups // 4), random)
    return rows


def _put_user(config: Config, synthetic: Synthetic) -> None:
    """A user with a full record, and a catalog with the entities in it."""
    ids = synthetic.entity_ids()
    lines = (f'{{"id": "{each}", "label": "{text}"}}\n' for each, text in zip(ids, synthetic.texts, strict=False))
    config.catalog.write_text("".join(lines), encoding="utf-8")
    population = Population(ids, 1, _OF_A_USER, 1)
    store = open_store(config)
    store.put_users((UserKey(DEFAULT_TENANT, _FULL), record) for _, record in population.records(0, 1))
    store.close()


def _summary(rows: list[Row]) -> dict[str, float]:
    timed = {str(row["what"]): float(row["p95_ms"]) for row in rows if "p95_ms" in row}
    completing = max(value for what, value in timed.items() if what.startswith("CompleteQuery"))
    return {
        "look_ups_together_p95_ms": timed[_TOGETHER],
        "ranker_p95_ms": timed[RANKER],
        "fallback_ms": timed[FALLBACK],
        "complete_query_p95_ms": completing,
    }
