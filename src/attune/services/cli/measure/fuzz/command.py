"""The command: start a system, send it what nobody would, and tell how it bore it."""

import json
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.errors import BenchError
from attune.services.cli.measure.fuzz.bodies import CANARY, FIELDS
from attune.services.cli.measure.fuzz.calling import FAILED, LATE, OK, Outcomes, call_all
from attune.services.cli.measure.fuzz.methods import methods
from attune.services.cli.measure.fuzz.verdict import wrong
from attune.services.cli.measure.memory import resident_mib
from attune.services.cli.measure.own_system import own_system
from attune.services.cli.measure.processes import Child
from attune.services.cli.measure.report import Row, make_report, show, write
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import console, progress, progress_console
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName

_CALLED: Sequence[RoleName] = tuple(role for role in RoleName if role is not RoleName.INGEST)
_SETTLED = 0.3
"""After so much of the requests memory is what it is to stay at: caches and pools have filled."""


def fuzz(
    *,
    requests: Annotated[int, typer.Option(min=100, help="How many calls, all RPCs in turn.")] = 100_000,
    at_once: Annotated[int, typer.Option(min=1, help="How many at a time.")] = 32,
    seed: Annotated[int, typer.Option(help="Of what is made up.")] = 0,
    catalog: Annotated[Path | None, typer.Option(help="JSONL of entities that the knowledge service has.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Send requests of sane and odd values, and damaged ones, to all RPCs of a system that is started for it.

    Each must be answered, or refused with a status that says whose mistake it is, and of each RPC some must be answered
    or refused for what they say. The system must be up afterwards, its memory must not grow by more than 64 MiB after
    the first three tenths of the requests, at most 1% of them may have no answer within half a minute (late), and no
    text of a request may be in its logs and metrics. Ends with status 1 where that is not so, and says what is wrong.
    Of ATTUNE_* the environment says what the encoder computes with, and nothing else.

    Example: attune bench fuzz --requests 5000
    """
    with told_plainly(), tempfile.TemporaryDirectory() as place, _system(Path(place), catalog) as system:
        settled, outcomes = _sent(system, requests, seed, at_once)
        grown = resident_mib(system.process.pid) - settled
        said = sum(text.count(CANARY) for text in system.said())
        made = make_report(rows_of(outcomes), _summary(outcomes, settled, grown, said), system_clock())
        if out is not None:
            write(made, out, page_of("Requests that nobody would send", made))
    show(made, as_json=as_json)
    for each in outcomes.examples:
        console.print(each, style="red", markup=False)
    if found := list(wrong(outcomes, grown, said)):
        progress_console.print(f"not as it must be: {'; '.join(found)}", style="red", markup=False)
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _System:
    """`attune up`, in a process of its own."""

    process: Child
    addresses: Mapping[RoleName, str]
    metrics: str
    log: Path

    def said(self) -> Iterator[str]:
        """All that it tells whoever operates it."""
        yield self.log.read_text(encoding="utf-8", errors="replace")
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=30) as answer:
            yield answer.read().decode()


@contextmanager
def _system(place: Path, catalog: Path | None) -> Iterator[_System]:
    """Files in `place`, free ports, logs of every call. Raises BenchError where it does not start."""
    settings = {f"ATTUNE_{role.upper()}_PORT": "0" for role in RoleName}
    settings |= {"ATTUNE_METRICS_PORT": "0", "ATTUNE_DATA_DIR": str(place), "ATTUNE_LOG_LEVEL": "info"}
    settings |= {"ATTUNE_SEARCH_FIELDS": FIELDS}
    settings |= {"ATTUNE_CATALOG_PATH": str(catalog)} if catalog else {}
    log = place / "attune.log"
    with own_system("attune up", (), settings, log) as process:
        announced = json.loads(process.read_line())
        addresses = {role: announced["roles"][role] for role in _CALLED}
        yield _System(process, addresses, announced["metrics"], log)


def _sent(system: _System, number: int, seed: int, at_once: int) -> tuple[float, Outcomes]:
    """Memory after the first of them, in MiB, and what became of all. Raises BenchError where the system has ended."""
    settled, sent = 0.0, 0

    with progress() as bar:
        task = bar.add_task("fuzzing", total=number)

        def done() -> None:
            nonlocal settled, sent
            sent += 1
            bar.advance(task)
            if sent == int(number * _SETTLED):
                settled = resident_mib(system.process.pid)

        outcomes = call_all(system.addresses, methods(), number, seed, at_once=at_once, done=done)
    system.process.check_running()
    if not settled:
        raise BenchError("--requests: memory cannot be read on this machine, as it has no /proc")
    return settled, outcomes


def rows_of(outcomes: Outcomes) -> list[Row]:
    """How often each method answered, refused, was late, and answered as none may."""
    return [
        {
            "method": path.removeprefix("/attune."),
            "requests": counts.total(),
            "answered": counts[OK],
            "refused": counts.total() - counts[OK] - counts[LATE] - counts[FAILED],
            "late": counts[LATE],
            "failed": counts[FAILED],
            "codes": ", ".join(f"{code} {count}" for code, count in counts.most_common() if code != OK),
        }
        for path, counts in sorted(outcomes.codes.items())
    ]


def _summary(outcomes: Outcomes, settled: float, grown: float, said: int) -> dict[str, float]:
    return {
        "fuzzed_requests": outcomes.requests,
        "fuzz_late": outcomes.late,
        "fuzz_failures": outcomes.failures,
        "texts_in_logs_and_metrics": said,
        "memory_settled_mib": settled,
        "memory_grown_mib": grown,
    }
