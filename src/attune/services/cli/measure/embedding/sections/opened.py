"""Latency of each server under requests that arrive at random, at a share of what it can do."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle
from statistics import median

import numpy as np

from attune.services.cli.measure.embedding.bench import Bench, Step
from attune.services.cli.measure.embedding.load.answers import Outcome
from attune.services.cli.measure.embedding.load.arrivals import poisson_arrivals
from attune.services.cli.measure.embedding.load.open_loop import Arrival, open_loop
from attune.services.cli.measure.embedding.observation import Case, Observation
from attune.services.cli.measure.embedding.plan import Load
from attune.services.cli.measure.embedding.sections import closed
from attune.services.cli.measure.embedding.servers.server import Server
from attune.services.cli.measure.errors import BenchError

SECTION = "open_loop"
_DEADLINE_S = 60


class OpenLoop:
    """Poisson arrivals at a share of the server's own closed-loop throughput of the same round."""

    def steps(self, bench: Bench) -> Sequence[Step]:
        """A step for each load."""
        loads = bench.plan.loads if bench.plan.open_loop else ()
        return [Step(f"{load}, random arrivals", partial(_measure, bench, load)) for load in loads]

    def summary(self, _bench: Bench) -> Mapping[str, float]:
        """None: the rows say it."""
        return {}


def _measure(bench: Bench, load: Load, number: int) -> Iterator[Observation]:
    texts = bench.texts(load, bench.plan.seconds, seed=number)
    for server in bench.in_turn(number):
        rate = bench.plan.open_loop * _peak(bench, server, load, number)
        arrivals = poisson_arrivals(rate, bench.plan.seconds, seed=number) or [0.0]
        arrived = arrive(bench, server, texts, arrivals, _DEADLINE_S)
        measures = {"offered_per_s": rate, **latencies(arrived)}
        yield Observation(Case(SECTION, server.name, load), number, measures)


def _peak(bench: Bench, server: Server, load: Load, number: int) -> float:
    case = Case(closed.SECTION, server.name, load, bench.plan.most_callers)
    return median(
        each.measures["texts_per_s"] for each in bench.observations if (each.case, each.round) == (case, number)
    )


def arrive(
    bench: Bench, server: Server, texts: Sequence[str], arrivals: Sequence[float], deadline_s: float
) -> list[Arrival]:
    """Offer the texts to a server, one at each arrival, from the first again where they do not suffice."""
    requests = cycle([server.target.request([text]) for text in texts])

    async def measured() -> list[Arrival]:
        async with server.target.connect() as send:
            return await open_loop(send, requests, arrivals, deadline_s)

    return bench.run(measured())


def latencies(arrived: Sequence[Arrival]) -> dict[str, float]:
    """Latency from the intended arrival, how late the load generator itself was, and what was not answered.

    Raises:
        BenchError: nothing was answered.
    """
    answered = [each.ended_s for each in arrived if each.outcome is Outcome.ANSWERED]
    if not answered:
        raise BenchError("no request that arrived at random was answered: run again with a lower --open-loop, or 0")
    p50, p95, p99 = np.percentile(answered, [50, 95, 99]) * 1000
    return {
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p99_ms": float(p99),
        "client_lag_p99_ms": 1000 * float(np.percentile([each.sent_s for each in arrived], 99)),
        "unanswered": len(arrived) - len(answered),
    }
