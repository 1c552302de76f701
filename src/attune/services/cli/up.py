"""`attune up`: run the services."""

import asyncio
import signal
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from attune.services.cli.failures import told_plainly
from attune.services.cli.options import Json
from attune.services.cli.output import console, print_json
from attune.services.cli.system import System, start_system
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.logs import configure_logs
from attune.services.runtime.settling import settle
from attune.services.runtime.tracing_provider import tracing


class RoleChoice(StrEnum):
    """One role, or all of them."""

    ALL = "all"
    EMBEDDING = RoleName.EMBEDDING
    KNOWLEDGE = RoleName.KNOWLEDGE
    INGEST = RoleName.INGEST
    SEARCH = RoleName.SEARCH
    SUGGESTION = RoleName.SUGGESTION


def up(
    role: Annotated[
        list[RoleChoice] | None,
        typer.Option(help="Which role to run, or several of them; all in one process by default.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run attune: all roles in one process, or some of them.

    Settings come from the environment (ATTUNE_*; the README lists them). Stop it with Ctrl-C or SIGTERM: calls in
    flight are answered first; a start is broken off.

    Example: ATTUNE_DATA_DIR=/var/lib/attune attune up --role search
    """
    with told_plainly():
        config = Config()
        configure_logs(config.log_level)
        roles = _chosen(role or [RoleChoice.ALL])
        with tracing(config, roles):
            asyncio.run(_serve(config, roles, as_json=as_json))


def _chosen(choices: Sequence[RoleChoice]) -> list[RoleName]:
    """Each once, those that others ask when they start first."""
    return [each for each in RoleName if RoleChoice.ALL in choices or RoleChoice(each.value) in choices]


async def _serve(config: Config, roles: Sequence[RoleName], *, as_json: bool) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    system = await _started(config, roles, stopping)
    if system is None:
        return
    try:
        metrics = f"{config.host}:{_serve_metrics(system)}" if config.metrics_port >= 0 else ""
        settle()
        _announce(system, metrics, as_json=as_json)
        await stopping.wait()
    finally:
        await system.stop()


async def _started(config: Config, roles: Sequence[RoleName], stopping: asyncio.Event) -> System | None:
    """The roles, up; None where the process was asked to stop first, and nothing is left of them."""
    starting = asyncio.create_task(start_system(config, roles, system_clock))
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait((starting, asked), return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not starting.done():
        starting.cancel()
    try:
        return await starting
    except asyncio.CancelledError:
        return None


def _serve_metrics(system: System) -> int:
    host, port = system.config.host, system.config.metrics_port
    try:
        return system.metrics.serve(host, port)
    except OSError as error:  # free when the start began, and taken since
        raise ConfigError(
            f"metrics cannot be served on {host}:{port}: set ATTUNE_METRICS_PORT to a free port (0 takes any, -1 none)"
        ) from error


def _announce(system: System, metrics: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"roles": {str(each.role.name): each.address for each in system.servers}, "metrics": metrics})
        return
    table = Table("role", "gRPC address", title="attune is up", title_justify="left")
    for each in system.servers:
        table.add_row(str(each.role.name), each.address)
    console.print(table)
    if metrics:
        console.print(f"metrics: http://{metrics}/metrics")
    console.print("Ctrl-C stops it.", style="dim")
