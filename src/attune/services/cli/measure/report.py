"""The one shape that every measurement is printed in: {command, commit, machine, date, rows[], summary{}}."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from attune.services.cli.output import console, print_json

Row = Mapping[str, str | int | float]


def report(rows: Sequence[Row], summary: Mapping[str, float], now: datetime, *, as_json: bool) -> None:
    """Print a measurement as JSON or as a table, with what it ran on."""
    made: dict[str, Any] = {
        "command": " ".join(["attune", *sys.argv[1:]]),
        "commit": _commit(),
        "machine": _machine(),
        "date": now.isoformat(timespec="seconds"),
        "rows": list(rows),
        "summary": dict(summary),
    }
    if as_json:
        print_json(made)
        return
    table = Table(*rows[0]) if rows else Table()
    for row in rows:
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
    console.print(f"{made['command']} · {made['commit']} · {made['machine']} · {made['date']}", style="dim")


def _commit() -> str:
    """The commit of the checkout that this code runs from; empty for an installed wheel."""
    described = subprocess.run(  # noqa: S603 - a constant command
        ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],  # noqa: S607 - git of the PATH
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip()


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} x {names[0] if names else platform.processor()}, Python {platform.python_version()}"
