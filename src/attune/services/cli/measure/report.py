"""The one shape that every measurement is printed in: {command, commit, machine, date, rows[], summary{}}."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TypedDict

from rich.measure import Measurement
from rich.table import Table

from attune.services.cli.output import console, print_json

Row = Mapping[str, str | int | float]
_NO_BOUND = 10_000
_CPUINFO = Path("/proc/cpuinfo")
_GPUS = Path("/proc/driver/nvidia/gpus")
_TELLING_FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8")


class Report(TypedDict):
    """A measurement, with what it ran on."""

    command: str
    commit: str
    machine: str
    date: str
    rows: list[Row]
    summary: dict[str, float]


def report(rows: Sequence[Row], summary: Mapping[str, float], now: datetime, *, as_json: bool) -> None:
    """Print a measurement as JSON or as a table, with what it ran on."""
    show(make_report(rows, summary, now), as_json=as_json)


def make_report(
    rows: Sequence[Row], summary: Mapping[str, float], now: datetime, remarks: Sequence[str] = ()
) -> Report:
    """A measurement with what it ran on. `remarks` say more of the machine, such as the precision chosen on it."""
    return {
        "command": " ".join(["attune", *sys.argv[1:]]),
        "commit": _commit(),
        "machine": "; ".join([_machine(), *remarks]),
        "date": now.isoformat(timespec="seconds"),
        "rows": list(rows),
        "summary": dict(summary),
    }


def show(made: Report, *, as_json: bool, brief: Sequence[str] = ()) -> None:
    """Print it as JSON; or as a table for each run of rows with the same columns, and one for the summary.

    Where the terminal is too narrow for all columns of a table, those of `brief` are shown, if it has any.
    """
    if as_json:
        print_json(made)
        return
    for columns, rows in groupby(made["rows"], key=tuple):
        _show_rows(columns, list(rows), brief)
    _show_rows(("figure", "value"), [{"figure": name, "value": value} for name, value in made["summary"].items()])
    console.print(f"{made['command']} · {made['commit']} · {made['machine']} · {made['date']}", style="dim")


def _show_rows(columns: Sequence[str], rows: Sequence[Row], brief: Sequence[str] = ()) -> None:
    """One row is shown downwards: it may have many columns."""
    if len(rows) == 1:
        console.print(_table([(column, _shown(rows[0][column])) for column in columns]))
        return
    kept = [column for column in columns if column in brief]
    lines = [tuple(_shown(row[column]) for column in columns) for row in rows]
    broken = [column.replace("_", "\n") for column in columns]
    whole = [_table([columns, *lines]), _table([broken, *lines])]
    fitting = next((table for table in whole if _width(table) <= console.width), None)
    if fitting is None and kept:
        places = [columns.index(column) for column in kept]
        console.print(_table([[line[place] for place in places] for line in (broken, *lines)]))
        console.print(f"{len(kept)} of {len(columns)} columns, for a narrow terminal: --json or --out has all")
    else:
        console.print(fitting or whole[-1])


def _table(lines: Sequence[Sequence[str]]) -> Table:
    """The first line is the header."""
    table = Table(*lines[0])
    for line in lines[1:]:
        table.add_row(*line)
    return table


def _width(table: Table) -> int:
    """In characters, with nothing cut or wrapped."""
    return Measurement.get(console, console.options.update(max_width=_NO_BOUND), table).maximum


def _shown(value: str | float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def write(made: Report, file: Path, page: str) -> None:
    """Write it as JSON, and `page` beside it with the ending .md. Where `file` ends so, the JSON ends with .json."""
    file.parent.mkdir(parents=True, exist_ok=True)
    report = file.with_suffix(".json") if file.suffix == ".md" else file
    report.write_text(json.dumps(made, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    file.with_suffix(".md").write_text(page, encoding="utf-8")


def cpu_features() -> list[str]:
    """What this CPU can do that speed depends on, as Linux names it; nothing where that is not known."""
    flags = set(next(iter(_cpuinfo("flags")), "").split())
    return [name for name in _TELLING_FEATURES if name in flags]


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
    names = _cpuinfo("model name")
    name = names[0] if names else platform.processor()
    features = f" ({', '.join(cpu_features())})" if cpu_features() else ""
    gpus = "".join(f", {each}" for each in _gpus())
    return f"{os.cpu_count()} x {name}{features}{gpus}, Python {platform.python_version()}"


def _gpus() -> list[str]:
    """The names of NVIDIA's, from its driver."""
    found = sorted(_GPUS.glob("*/information"))
    lines = [line for each in found for line in each.read_text().splitlines() if line.startswith("Model:")]
    return [line.partition(":")[2].strip() for line in lines]


def _cpuinfo(field: str) -> list[str]:
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    return [line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == field]
