"""The command: start every role as its own process, and tell how the whole bears traffic, kills and replacements."""

import json
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from attune.services.cli.corpora.beir import load_beir
from attune.services.cli.corpora.model import Corpus
from attune.services.cli.corpora.stdlib import load_stdlib
from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.errors import BenchError
from attune.services.cli.measure.report import make_report, show, write
from attune.services.cli.measure.system.calls import Material
from attune.services.cli.measure.system.ledger import Ledger, losses
from attune.services.cli.measure.system.phases import Bench, Phase, killed, rolling, rolling_plain, steady
from attune.services.cli.measure.system.roles import running_roles
from attune.services.cli.measure.system.soaking import soak
from attune.services.cli.measure.system.traffic import Offered
from attune.services.cli.measure.system.unauthorised import unauthorised_rows
from attune.services.cli.measure.tables import page_of
from attune.services.cli.options import Json
from attune.services.cli.output import progress_console
from attune.services.cli.sending_documents import to_message
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName

_SAMPLES = 360
"""Of memory, at most so many in a soak, and one a second at most."""
_LEAST_SOAK_MINUTES = 0.6
"""36 seconds: a sample comes each second or a little later, and 30 are needed to tell whether memory grows."""
_BRIEF = ("phase", "call", "role", "calls", "failed", "p95_ms")
_INDEXED_WITHIN_S = 3600.0


def system(  # noqa: PLR0913 - options of a command
    *,
    data: Annotated[
        Path | None, typer.Option(help="A corpus in BEIR layout, instead of Python's own documentation.")
    ] = None,
    documents: Annotated[int, typer.Option(min=1, help="How many documents of it are indexed.")] = 500,
    phase: Annotated[list[Phase] | None, typer.Option(help="What to measure; repeated. Default: all.")] = None,
    role: Annotated[list[RoleName] | None, typer.Option(help="Which to kill and replace; repeated.")] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="How long the traffic without faults goes on.")] = 10,
    soak_minutes: Annotated[float, typer.Option(min=0.01, help="How long memory is watched; 0.6 or more.")] = 30,
    apart: Annotated[float, typer.Option(min=0, help="Seconds between one role's fault and the next.")] = 10,
    rate: Annotated[float, typer.Option(min=0.1, help="Calls a second, of all kinds together.")] = 20,
    together: Annotated[int, typer.Option(min=1, help="How many can be under way at a time.")] = 16,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report to this JSON file, and tables beside it.")] = None,
    as_json: Json = False,
) -> None:
    """Measure the whole system: every role a process of its own, under mixed traffic, killed and replaced.

    Phases: steady (traffic alone), soak (memory of each role, once what it keeps is full), killed (kill -9 of each
    role in turn), rolling (each role replaced in turn, under callers that wait for a service that is not there),
    rolling-plain (the same under those that try four times), unauthorised (every RPC called by nobody). At the end
    all acknowledged events must be in the log and counted once. Engines are those in files: of ATTUNE_* the
    environment says what the encoder computes with, and nothing else. Ends with status 1 where an event was lost, a
    call failed that must not, a phase had no calls, a replaced role did not end with status 0, what a role holds grew
    by more than 16 MiB in a soak, or an unauthorised caller was answered.

    Example: attune bench system --minutes 1 --soak-minutes 1
    """
    with told_plainly(), tempfile.TemporaryDirectory() as place:
        phases = phase or list(Phase)
        _require_long_enough(phases, soak_minutes)
        corpus = _corpus(data, documents)
        with _bench(Path(place), corpus, role, apart, Offered(rate, together, seed)) as bench:
            _measure(bench, phases, minutes, soak_minutes, Path(place))
        made = make_report(bench.rows, bench.summary, system_clock())
        if out is not None:
            write(made, out, page_of("The whole system under load and faults", made))
    show(made, as_json=as_json, brief=_BRIEF)
    if wrong := broken(made["summary"]):
        progress_console.print(f"not as it must be: {', '.join(wrong)}", style="red")
        raise typer.Exit(1)


def _require_long_enough(phases: Sequence[Phase], soak_minutes: float) -> None:
    """Raise BenchError where a soak would end without telling anything."""
    if Phase.SOAK in phases and soak_minutes < _LEAST_SOAK_MINUTES:
        raise BenchError(
            f"--soak-minutes {soak_minutes:g} are too few to tell whether memory grows: "
            f"give {_LEAST_SOAK_MINUTES:g} or more, or other phases by --phase"
        )


def _corpus(data: Path | None, limit: int) -> Corpus:
    """The corpus, with at most `limit` documents. Raises BenchError where there is none."""
    with progress_console.status("reading the corpus"):
        found = load_beir(data, limit) if data else load_stdlib()
    found = replace(found, documents=found.documents[:limit])
    if not found.documents:
        raise BenchError(f"--data {data}: there are no documents: give a corpus that has some")
    return found


@contextmanager
def _bench(
    place: Path, corpus: Corpus, chosen: Sequence[RoleName] | None, apart_s: float, offered: Offered
) -> Iterator[Bench]:
    """The system, up and with documents; none of its processes is left after it."""
    token, documents = secrets.token_urlsafe(), [to_message(each) for each in corpus.documents]
    queries = [each.text for each in corpus.queries] or [each.title or each.text[:80] for each in corpus.documents]
    with (
        progress_console.status("starting all roles") as status,
        running_roles(place, _settings(place, corpus, token)) as roles,
    ):
        bench = Bench(
            roles,
            Material(queries, documents),
            Ledger(),
            offered,
            token,
            status.update,
            chosen=tuple(chosen or RoleName),
            apart_s=apart_s,
        )
        status.update(f"indexing {len(documents)} documents")
        with bench.client(wait_for_ready=True, stream_timeout_s=_INDEXED_WITHIN_S) as client:
            client.index(documents)
        yield bench


def _settings(place: Path, corpus: Corpus, token: str) -> dict[str, str]:
    """Files that all roles read, and the settings that name them."""
    (place / "data").mkdir()
    (place / "catalog.jsonl").write_text("".join(f"{line}\n" for line in corpus.catalog_lines()), encoding="utf-8")
    (place / "tokens.json").write_text(json.dumps({token: "bench"}), encoding="utf-8")
    return {
        "ATTUNE_CATALOG_PATH": str(place / "catalog.jsonl"),
        "ATTUNE_TOKENS_FILE": str(place / "tokens.json"),
        "ATTUNE_SERVICE_TOKEN": secrets.token_urlsafe(),
    }


def _measure(bench: Bench, phases: Sequence[Phase], minutes: float, soak_minutes: float, place: Path) -> None:
    """The phases that are wanted, in the order in which roles are as they were when they come."""
    if Phase.STEADY in phases:
        steady(bench, minutes)
    if Phase.SOAK in phases:
        soak(bench, soak_minutes, max(1.0, 60 * soak_minutes / _SAMPLES))
    if Phase.KILLED in phases:
        killed(bench)
    if Phase.ROLLING in phases:
        rolling(bench)
    if Phase.ROLLING_PLAIN in phases:
        rolling_plain(bench)
    if Phase.UNAUTHORISED in phases:
        _add_unauthorised(bench)
    _add_losses(bench, place / "data")


def _add_unauthorised(bench: Bench) -> None:
    bench.told("calling every RPC as nobody")
    rows = unauthorised_rows({role: bench.roles.address(role) for role in RoleName})
    bench.rows.extend(rows)
    bench.summary |= {
        "unauthorised_calls": sum(int(row["rpcs"]) for row in rows),
        "unauthorised_rpcs_answered": sum(int(row["answered"]) for row in rows),
    }


def _add_losses(bench: Bench, directory: Path) -> None:
    bench.told("comparing what was acknowledged with what is there")
    with bench.client(wait_for_ready=True) as client:
        found = losses(client, bench.ledger, directory)
    bench.summary |= {
        "acknowledged_events": found.acknowledged,
        "acknowledged_events_lost": found.lost,
        "events_counted_twice": found.counted_twice,
        "events_logged_again": found.logged_again,
    }


_MUST_BE_ZERO = (
    "steady_failed_requests",
    "soak_failed_requests",
    "killed_failed_outside_windows",
    "killed_failed_not_retryable",
    "rolling_restart_failed_requests",
    "rolling_restart_ended_badly",
    "rolling_restart_plain_failed_outside_windows",
    "rolling_restart_plain_failed_not_retryable",
    "rolling_restart_plain_ended_badly",
    "unauthorised_rpcs_answered",
    "acknowledged_events_lost",
    "events_counted_twice",
)


_MUST_NOT_BE_ZERO = (
    "steady_requests",
    "soak_requests",
    "killed_requests",
    "rolling_restart_requests",
    "rolling_restart_plain_requests",
    "unauthorised_calls",
)
"""Where a phase was measured: without a call none can have failed."""
MOST_HELD_GROWTH_MIB = 16.0
"""Of a role in a soak, without the files that it has mapped. Chosen: allocators move by a few MiB when caches are full,
and a role that leaks a KiB in each of the 36,000 calls of half an hour is beyond it.
"""


def broken(summary: Mapping[str, float]) -> list[str]:
    """What is not as it must be, with its value."""
    wrong = [name for name in _MUST_BE_ZERO if summary.get(name, 0)]
    wrong += [name for name in _MUST_NOT_BE_ZERO if not summary.get(name, 1)]
    grown = "soak_held_growth_mib_per_role"
    wrong += [grown] if summary.get(grown, 0) > MOST_HELD_GROWTH_MIB else []
    return [f"{name} is {summary[name]:g}" for name in wrong]
