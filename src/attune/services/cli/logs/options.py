"""Options of commands that read logs."""

from datetime import datetime, timedelta
from typing import Annotated

import typer

from attune.embeddings.errors import SettingError
from attune.services.cli.logs.event_log import Wanted
from attune.services.runtime.security.identity import is_tenant


def tenant_name(name: str) -> str:
    """The name, as it is. Raises typer.BadParameter for what no tenant may be called."""
    if not is_tenant(name):
        raise typer.BadParameter(f"{name!r} is no tenant: write 1 to 64 of the characters A-Z, a-z, 0-9, '.', '_', '-'")
    return name


def _tenant_or_all(name: str | None) -> str | None:
    return None if name is None else tenant_name(name)


OneTenant = Annotated[
    str | None,
    typer.Option("--tenant", help="Only of this tenant; without it, of each by itself.", callback=_tenant_or_all),
]
Window = Annotated[int | None, typer.Option(min=1, help="Of the event log, only the last so many days.")]
SkipInvalid = Annotated[bool, typer.Option("--skip-invalid", help="Leave out lines of a file that are wrong.")]


def wanted(tenant: str | None, window: int | None, now: datetime, from_log: object) -> Wanted:
    """What these options want of the event log. Raises SettingError for a window where nothing is taken from it."""
    if window is not None and not from_log:
        raise SettingError("--window is of the event log, and of no file: give it with --from-log")
    return Wanted(tenant, None if window is None else now - timedelta(days=window))
