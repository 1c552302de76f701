"""`attune events replay`: reads options, opens what is needed, and tells what came of it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.comparing import Comparison
from attune.knowledge_store.loaded import LoadedCatalog
from attune.services.cli.events.replay.history import history
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json, progress, progress_console
from attune.services.ingest import starting
from attune.services.ingest.replaying import Plan, Replay, Watcher
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.eventlog.port import EventLog
from attune.services.runtime.records.admission import Admission
from attune.services.runtime.stores import (
    open_event_log,
    open_existing_store,
    open_shadow,
    open_store,
)


def replay(
    from_offset: Annotated[
        list[str] | None,
        typer.Option(help="PARTITION:OFFSET to begin with; once for each partition. Others begin at the beginning."),
    ] = None,
    from_time: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
            help="Begin with what the log took at this time (UTC, if no zone is given) or later.",
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A JSONL file of older events, as `attune events send` takes; applied first.")
    ] = None,
    file_only: Annotated[bool, typer.Option("--file-only", help="Leave out all that the log has by now.")] = False,
    tenant: Annotated[str, typer.Option(help="Whose the file's events are that name no tenant_id.")] = "default",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compare with the store in use, and change nothing.")
    ] = False,
    show_users: Annotated[
        int, typer.Option(min=0, max=1000, help="With --dry-run: name so many of the users who differ.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Build the knowledge store anew from the event log, beside the one in use, and put it in its place.

    Services may go on meanwhile; events wait for the moment of the swap. Users who were forgotten stay forgotten;
    consents, removed suggestions and documents stay. A store that is built from a later offset or time has nothing of
    what came before. Broken off, nothing has changed: the same command begins anew, and removes what was left behind.

    Example: attune events replay --dry-run

    Example: attune events replay --file history-2024.jsonl
    """
    with told_plainly():
        config = Config()
        with closing(open_event_log(config)) as event_log:
            plan = _plan(config, event_log, from_offset or [], from_time, (file, tenant), file_only=file_only)
            told = _run(config, event_log, plan, show_users, dry_run=dry_run)
    if as_json:
        print_json(told)
    else:
        _tell(told)


def _plan(
    config: Config,
    event_log: EventLog,
    offsets: list[str],
    moment: datetime | None,
    source: tuple[Path | None, str],
    *,
    file_only: bool,
) -> Plan:
    """Raises ConfigError where the options do not fit each other or the log."""
    file, tenant = source
    if bool(offsets) + (moment is not None) + file_only > 1:
        raise ConfigError("--from-offset, --from-time and --file-only say different beginnings: give one of them")
    if file_only and file is None:
        raise ConfigError("--file-only leaves out the log: give a file of events with --file")
    if file is None:
        starting.require_events(event_log, _place(config))
    now = system_clock()
    batches = () if file is None else history(file, tenant, now)
    return Plan(
        _starts(event_log, offsets, moment, now, file_only=file_only), batches, not (offsets or moment or file_only)
    )


def _place(config: Config) -> str:
    servers = config.kafka_bootstrap_servers
    return f"in Kafka at {servers}" if servers else f"in {config.data_dir / 'events'}"


def _starts(
    event_log: EventLog, offsets: list[str], moment: datetime | None, now: datetime, *, file_only: bool
) -> dict[int, int]:
    if file_only:
        return starting.from_end(event_log)
    if moment is not None:
        return starting.from_time(event_log, moment if moment.tzinfo else moment.replace(tzinfo=UTC), now)
    return starting.from_offsets(event_log, offsets)


def _run(config: Config, event_log: EventLog, plan: Plan, show_users: int, *, dry_run: bool) -> dict[str, Any]:
    catalog = LoadedCatalog.of(Catalog.load(config.catalog))
    with (
        closing((open_existing_store if dry_run else open_store)(config)) as live,
        closing(open_shadow(config)) as shadow,
        _shown() as watcher,
    ):
        if shadow.had_leftover:
            watcher.say("what a replay that was broken off had left behind is removed")
        replayed = Replay(event_log, live, shadow, catalog, system_clock, watcher, Admission.of(config))
        replayed.build(plan)
        if dry_run:
            found = _comparison(replayed.compare(show_users), show_users)
        else:
            replayed.swap(plan)
            found = {"swap_s": round(replayed.built.swap_s, 3)}
        return {"dry_run": dry_run, "whole": plan.is_whole, "events": dict(replayed.built.outcomes), **found}


@contextmanager
def _shown() -> Iterator[Watcher]:
    """On standard error."""
    with progress() as bar:
        task = bar.add_task("reading events", total=None)

        def count(done: int, of: int | None) -> None:
            bar.update(task, completed=done, total=of)

        yield Watcher(count, lambda sentence: progress_console.print(sentence, highlight=False))


def _comparison(found: Comparison, show_users: int) -> dict[str, Any]:
    named = [f"{user.tenant}/{user.user}" for user in found.first]
    told = {name: value for name, value in asdict(found).items() if name != "first"}
    return {**told, "differing": found.differing, **({"first_differing": named} if show_users else {})}


def _tell(told: dict[str, Any]) -> None:
    console.print(
        ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in told["events"].items()) or "no events"
    )
    if not told["whole"]:
        console.print("what came before is not in it")
    if not told["dry_run"]:
        console.print(f"the store was built anew and is in use; writers waited {told['swap_s']} s at most")
        return
    console.print(
        f"in use: {told['users']} users, {told['entities']} entities; "
        f"anew: {told['users_anew']} users, {told['entities_anew']} entities"
    )
    console.print(
        f"{told['differing']} users differ: {told['missing']} would go, {told['added']} come, {told['changed']} change"
    )
    for user in told.get("first_differing", ()):
        console.print(f"  {user}", markup=False)
    console.print("nothing was changed")
