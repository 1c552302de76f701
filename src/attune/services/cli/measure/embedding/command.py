"""The command: its options, what takes part, and the report."""

import asyncio
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from attune.services.cli.failures import told_plainly
from attune.services.cli.measure.embedding.bench import Bench, Section, Step, run_sections
from attune.services.cli.measure.embedding.local.client import LocalModel, local_worker
from attune.services.cli.measure.embedding.markdown import render
from attune.services.cli.measure.embedding.observation import median_rows, rounded
from attune.services.cli.measure.embedding.plan import Peer, Plan, parse_concurrency, parse_loads
from attune.services.cli.measure.embedding.sections import all_sections
from attune.services.cli.measure.embedding.servers.infinity import engines, infinity_servers
from attune.services.cli.measure.embedding.servers.infinity_install import export, install
from attune.services.cli.measure.embedding.servers.ours import our_server
from attune.services.cli.measure.embedding.servers.server import Server
from attune.services.cli.measure.errors import BenchError
from attune.services.cli.measure.report import Report, cpu_features, make_report, show, write
from attune.services.cli.options import Json
from attune.services.cli.output import progress, progress_console
from attune.services.runtime.clock import system_clock
from attune.services.runtime.logs import configure_logs

_PEER_DIR = Path("~/.cache/attune/peers")


def embedding(  # noqa: PLR0913, PLR0917 - an option each, given by name
    against: Annotated[list[Peer] | None, typer.Option(help="What else to measure; may be repeated.")] = None,
    loads: Annotated[str, typer.Option(help="8-token queries, 128-token passages, Zipf 4..256.")] = "q8,p128,zipf",
    concurrency: Annotated[str, typer.Option(help="How many callers at once, one measure each.")] = "1,8,32,64",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each slice of a round is measured.")] = 3.0,
    rounds: Annotated[int, typer.Option(min=1, help="Everything is measured so often; medians are reported.")] = 3,
    open_loop: Annotated[
        float, typer.Option(min=0, max=1, help="Random arrivals at this share of the peak; 0 leaves them out.")
    ] = 0.7,
    overload: Annotated[bool, typer.Option("--overload", help="Offer four times the peak as well.")] = False,
    overload_seconds: Annotated[float, typer.Option(min=0.5, help="For so long.")] = 60.0,
    deadline_ms: Annotated[float, typer.Option(min=1, help="Each request's deadline under --overload.")] = 500.0,
    peer_dir: Annotated[Path, typer.Option(help="Where peers are installed, once.")] = _PEER_DIR,
    out: Annotated[Path | None, typer.Option(help="Write JSON there, and tables beside it as .md.")] = None,
    as_json: Json = False,
) -> None:
    """Measure the embedding service on this machine, over real gRPC, and others beside it in the same run.

    Example: attune bench embedding --against infinity --against sentence-transformers --loads zipf --json
    """
    with told_plainly():
        configure_logs("error")
        plan = Plan(
            loads=parse_loads(loads),
            concurrency=parse_concurrency(concurrency),
            against=against or (),
            seconds=seconds,
            rounds=rounds,
            open_loop=open_loop,
            overload_s=overload_seconds if overload else 0,
            deadline_s=deadline_ms / 1000,
            peer_dir=peer_dir.expanduser(),
        )
        report = _measured(plan)
        if out is not None:
            write(report, out, render(report))
        show(report, as_json=as_json)


def _measured(plan: Plan) -> Report:
    with tempfile.TemporaryDirectory() as work, _bench(plan, Path(work)) as bench:
        sections = all_sections()
        with progress() as bar:
            task = bar.add_task("measuring")

            def track(steps: Sequence[Step]) -> Iterable[Step]:
                for step in bar.track(steps, task_id=task):
                    bar.update(task, description=step.label)
                    yield step

            run_sections(bench, sections, track)
        return _report(bench, sections)


@contextmanager
def _bench(plan: Plan, work: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        status = stack.enter_context(progress_console.status("starting attune"))
        ours, precision = stack.enter_context(our_server(work))
        local = stack.enter_context(local_worker(work, precision.name))
        if Peer.SENTENCE_TRANSFORMERS in plan.against and not local.model.has_reference:
            raise BenchError("sentence-transformers is not installed: `pip install 'sentence-transformers>=6,<7'`")
        servers = [ours]
        if Peer.INFINITY in plan.against:
            status.update("installing and starting Infinity: minutes, the first time")
            servers += stack.enter_context(_infinity(plan.peer_dir / "infinity", local.model, work))
        status.stop()
        runner = stack.enter_context(asyncio.Runner())
        yield Bench(plan, servers, local, runner, precision.reason)


@contextmanager
def _infinity(peer_dir: Path, model: LocalModel, work: Path) -> Iterator[list[Server]]:
    install(peer_dir)
    onnx_fp32, onnx_int8 = export(peer_dir, model.directory, model.revision, frozenset(cpu_features()))
    with infinity_servers(peer_dir, engines(model.directory, onnx_fp32, onnx_int8), work) as servers:
        yield servers


def _report(bench: Bench, sections: Sequence[Section]) -> Report:
    summary = {name: rounded(figure) for each in sections for name, figure in each.summary(bench).items()}
    rows = median_rows(bench.observations)
    return make_report(rows, summary, system_clock(), remarks=[bench.precision_reason])
