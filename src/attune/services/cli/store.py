"""`attune store`: the knowledge store itself, in PostgreSQL or SQLite: backups, what is in it, and for how long."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from attune.knowledge_store.backup import read_backup, write_backup
from attune.services.cli.auditing import audit
from attune.services.cli.companions import companions
from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json, progress
from attune.services.cli.summaries.command import summarize_users
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.data_directory import DataDirectory
from attune.services.runtime.stores import open_existing_store, open_store

store = typer.Typer(help="The knowledge store that ATTUNE_STORE_URL or ATTUNE_DATA_DIR names.", no_args_is_help=True)
store.command()(audit)
store.command()(companions)
store.command("summarize")(summarize_users)
_EVERY = 256


@store.command()
def migrate(as_json: Json = False) -> None:
    """Make the store, or bring its tables to this version, and end; a role does the same when it starts.

    In PostgreSQL services may go on meanwhile; with SQLite they must be stopped.

    Example: ATTUNE_STORE_URL=postgresql://attune@db/attune attune store migrate
    """
    with told_plainly():
        config = Config()
        open_store(config).close()
    engine = "postgresql" if config.store_url.get_secret_value() else "sqlite"
    if as_json:
        print_json({"engine": engine, "migrated": True})
        return
    console.print(f"the store in {engine} has the tables of this version")


@store.command()
def backup(file: Annotated[Path, typer.Argument(help="A new file.")], as_json: Json = False) -> None:
    """Write the whole store into a file, as of one moment; services may go on meanwhile.

    The file is compressed JSON lines for its owner alone, and can be restored into SQLite and PostgreSQL alike.

    Example: attune store backup monday.attune
    """
    with told_plainly(), closing(open_existing_store(Config())) as opened, progress() as bar:
        counts = write_backup(opened, file, system_clock(), _counter(bar, "writing"))
    _tell(counts, as_json=as_json)


@store.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `attune store backup` wrote.")], as_json: Json = False
) -> None:
    """Put a backup into an empty store, all of it or, after any failure, nothing; the services must be stopped.

    The event log belongs to it: services read on where the store was at the time of the backup.

    Example: ATTUNE_STORE_URL=postgresql://attune@db/attune attune store restore monday.attune
    """
    with told_plainly():
        config = Config()
        directory = DataDirectory.lock(config, [RoleName.KNOWLEDGE, RoleName.INGEST])
        try:
            with closing(open_store(config)) as opened, progress() as bar:
                counts = read_backup(opened, file, _counter(bar, "restoring"))
        finally:
            directory.release()
    _tell(counts, as_json=as_json)


@store.command()
def expire(
    older_than: Annotated[int, typer.Option(min=1, max=36_500, help="Days since an entity was last seen.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: Json = False,
) -> None:
    """Drop what users have not been seen at for so long; users of whom nothing is left go too.

    What was forgotten stays forgotten, and suggestions that were not wanted stay unwanted. Services may go on
    meanwhile; run again, it finishes what was broken off. The event log is not changed: to read it again from the
    beginning brings back what it still holds.

    Example: attune store expire --older-than 365 --dry-run
    """
    with told_plainly(), closing(open_existing_store(Config())) as opened:
        expired = opened.expire(system_clock() - timedelta(days=older_than), dry_run=dry_run)
    if as_json:
        print_json(asdict(expired) | {"dry_run": dry_run})
        return
    verb = "would go" if dry_run else "dropped"
    read = f"{expired.readings} documents read and {expired.statements} statements {verb}"
    console.print(f"{expired.entities} entities {verb}, {read}, {expired.users} users with nothing else {verb}")


def _counter(bar: Progress, what: str) -> Callable[[int], None]:
    """Hears of each piece, shows some."""
    task = bar.add_task(what, total=None)

    def show(pieces: int) -> None:
        if pieces % _EVERY == 0:
            bar.update(task, completed=pieces)

    return show


def _tell(counts: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        print_json(counts)
        return
    console.print(", ".join(f"{count} {place}" for place, count in counts.items()))
