"""`attune queries count`: reads options, opens what is needed, and tells what came of it."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.loaded import LoadedCatalog
from attune.knowledge_store.store import StoreError
from attune.services.cli.failures import told_plainly
from attune.services.cli.logs.event_log import watched
from attune.services.cli.logs.options import SkipInvalid, tenant_name
from attune.services.cli.logs.reading import AskedInFile
from attune.services.cli.options import Json, Token, connect
from attune.services.cli.output import console, print_json
from attune.services.client import Client
from attune.services.runtime.call import DEFAULT_TENANT
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.stores import open_event_log, open_existing_store
from attune.services.suggestion.logged import Allowed, EventsInLog
from attune.services.suggestion.queries.asked import ASKING, Asked, AskedInLog
from attune.services.suggestion.queries.counting import Plan, Report, count_queries
from attune.services.suggestion.queries.model import K
from attune.services.suggestion.screening import Screen


def count(
    *,
    at_least: Annotated[int, typer.Option(min=2, help="What fewer users asked is not kept.")] = K,
    window: Annotated[int | None, typer.Option(min=1, help="Only what was asked in the last so many days.")] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="A file instead of the event log: rows of user, time and query, events, sessions."),
    ] = None,
    tenant: Annotated[
        str, typer.Option(help="Whose the file's lines are that name no tenant_id.", callback=tenant_name)
    ] = DEFAULT_TENANT,
    skip_invalid: SkipInvalid = False,
    vectors: Annotated[
        bool, typer.Option("--vectors", help="Keep a vector of each query; needs the embedding service.")
    ] = False,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Count what many users asked, and what they asked next, for suggestions and completions.

    Of each tenant by itself. Users who were forgotten, and those who have withdrawn consent to statistics, do not
    count; nothing of fewer users than --at-least gets into the files, nor what must not be suggested. All that was
    counted before goes: run this every night, and who was forgotten during the day is out of it. Services may go on
    meanwhile, and take the new files by themselves. With --log, what was counted of tenants of whom the file has
    nothing stays.

    Example: attune queries count --window 90
    """
    started = system_clock()
    with told_plainly(), ExitStack() as stack:
        config = Config()
        watch = stack.enter_context(watched("counting"))
        source: AskedInLog | AskedInFile
        if log is None:
            event_log = stack.enter_context(closing(open_event_log(config)))
            source = AskedInLog(EventsInLog(event_log, Admission.of(config), ASKING, watch))
        else:
            source = AskedInFile(log, tenant, skip_invalid=skip_invalid)
        allowed = _allowed(source, config, stack, is_file=log is not None)
        since = started - timedelta(days=window) if window is not None else None
        plan = Plan(at_least, since, _linker(config))
        if vectors:
            plan = _with_vectors(plan, stack.enter_context(connect(token)))
        screen, only_of = Screen.load(config.denylist_path), tenant if log is not None else None
        report = count_queries(allowed, config.queries, screen, started, plan, only_of=only_of)
        seconds = (system_clock() - started).total_seconds()
        left_out = allowed.left_out if isinstance(allowed, Allowed) else 0
    _tell(report, source.skipped, left_out, seconds, as_json=as_json)


def _allowed(asked: Iterable[Asked], config: Config, stack: ExitStack, *, is_file: bool) -> Iterable[Asked]:
    """With the store's word on who may be counted. A file may be counted where there is no store at all."""
    try:
        store = stack.enter_context(closing(open_existing_store(config)))
    except StoreError:
        if not is_file or config.store_url.get_secret_value():
            raise
        return asked
    return Allowed(asked, store)


def _linker(config: Config) -> Callable[[str], Sequence[str]]:
    if config.catalog_path is None and not config.catalog.exists():
        return lambda _text: ()
    linker = LoadedCatalog.of(Catalog.load(config.catalog)).linker
    return lambda text: [mention.entity_id for mention in linker.link(text)]


def _with_vectors(plan: Plan, client: Client) -> Plan:
    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return client.embed(texts, domain="general", query=True)

    return replace(plan, embed=embed, model_id=client.model_info().model_id)


def _tell(report: Report, skipped: int, left_out: int, seconds: float, *, as_json: bool) -> None:
    told = {**asdict(report), "left_out": left_out, "skipped": skipped, "seconds": round(seconds, 3)}
    if as_json:
        print_json(told)
        return
    kept = sum(report.queries.values())
    console.print(f"{kept} queries of {len(report.queries)} tenants, from {report.asked} askings in {seconds:.1f} s")
    console.print(
        f"left out: {report.screened} texts that must not be suggested, {left_out} askings of users who were forgotten "
        f"or do not allow statistics, {skipped} records that are no event"
    )
