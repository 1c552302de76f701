"""Our server when four times as much is asked of it as it can do."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import cycle

import numpy as np

from attune.services.cli.measure.embedding.bench import Bench, Step
from attune.services.cli.measure.embedding.load.answers import Outcome
from attune.services.cli.measure.embedding.load.arrivals import poisson_arrivals
from attune.services.cli.measure.embedding.load.open_loop import Arrival, open_loop
from attune.services.cli.measure.embedding.observation import Case, Observation, median_of
from attune.services.cli.measure.embedding.plan import Load
from attune.services.cli.measure.embedding.servers.server import OURS
from attune.services.cli.measure.memory import resident_mib, watch_resident

_CASE = Case("overload", OURS, Load.ZIPF)
_TIMES = 4
_LATE_S = 0.05
_MOST_TEXTS = 20_000
_PEAK_S = 5


class Overload:
    """Poisson arrivals at 4x the peak; the peak is measured right before and right after."""

    def steps(self, bench: Bench) -> Sequence[Step]:
        """One step, after the rounds."""
        return [Step("overload", partial(_measure, bench), once=True)] if bench.plan.overload_s else []

    def summary(self, bench: Bench) -> Mapping[str, float]:
        """Goodput as a share of the peak, and how long a refusal takes."""
        measures = {"goodput_share_at_4x": "goodput_share", "refusal_p99_ms": "refusal_p99_ms"}
        figures = {name: median_of(bench.observations, _CASE, measure) for name, measure in measures.items()}
        return {name: figure for name, figure in figures.items() if figure is not None}


def _measure(bench: Bench, number: int) -> Iterator[Observation]:
    seconds = bench.plan.overload_s
    before = _peak(bench)
    arrivals = poisson_arrivals(_TIMES * before, seconds, seed=number)
    start_mib = resident_mib(bench.ours.pid)
    arrived, seen_mib = _offered(bench, arrivals)
    end_mib = resident_mib(bench.ours.pid)
    peak = (before + _peak(bench)) / 2
    measures = {
        "peak_per_s": peak,
        "offered_per_s": len(arrivals) / seconds,
        **outcomes(arrived, seconds, bench.plan.deadline_s),
        "resident_start_mib": start_mib,
        "resident_max_mib": max([start_mib, *seen_mib, end_mib]),
        "resident_end_mib": end_mib,
    }
    yield Observation(_CASE, number, {"goodput_share": measures["goodput_per_s"] / peak, **measures})


def _peak(bench: Bench) -> float:
    seconds = min(_PEAK_S, bench.plan.overload_s)
    texts = bench.texts(Load.ZIPF, seconds, seed=1)
    return bench.closed_loop(bench.ours, texts, bench.plan.most_callers, seconds).measures()["texts_per_s"]


def _offered(bench: Bench, arrivals: Sequence[float]) -> tuple[list[Arrival], list[float]]:
    """What became of the requests, and the server's resident memory meanwhile."""
    texts = bench.local.texts(Load.ZIPF, min(len(arrivals), _MOST_TEXTS), seed=2)
    requests = cycle([bench.ours.target.request([text]) for text in texts])
    seen_mib: list[float] = []

    async def measured() -> list[Arrival]:
        watch = asyncio.create_task(watch_resident(bench.ours.pid, seen_mib))
        try:
            async with bench.ours.target.connect() as send:
                return await open_loop(send, requests, arrivals, bench.plan.deadline_s)
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    return bench.run(measured()), seen_mib


def outcomes(arrived: Sequence[Arrival], seconds: float, deadline_s: float) -> dict[str, float]:
    """Counts and rates of how requests ended, each of which had `deadline_s` from its intended arrival.

    `late` counts all that ended more than 50 ms after their deadline, answered or not. Refusals are timed twice: from
    the intended arrival, and from when the request was sent, which leaves out the load generator's own lag.
    """
    refused = [each for each in arrived if each.outcome is Outcome.REFUSED]
    in_time = [each for each in arrived if each.outcome is Outcome.ANSWERED and each.ended_s <= deadline_s]
    return {
        "goodput_per_s": len(in_time) / seconds,
        "refusal_p99_ms": _p99_ms([each.ended_s for each in refused]),
        "refusal_from_send_p99_ms": _p99_ms([each.ended_s - each.sent_s for each in refused]),
        "client_lag_p99_ms": _p99_ms([each.sent_s for each in arrived]),
        "answer_p99_ms": _p99_ms([each.ended_s for each in in_time]),
        "refused": len(refused),
        "expired": sum(each.outcome is Outcome.EXPIRED for each in arrived),
        "failed": sum(each.outcome is Outcome.FAILED for each in arrived),
        "late": sum(each.ended_s > deadline_s + _LATE_S for each in arrived),
    }


def _p99_ms(seconds: Sequence[float]) -> float:
    return 1000 * float(np.percentile(seconds, 99)) if seconds else 0.0
