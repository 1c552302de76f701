"""Throughput and latency of each server under callers that wait for their answers, one text to a request."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product

from attune.services.cli.measure.embedding.bench import Bench, Step
from attune.services.cli.measure.embedding.observation import Case, Observation, median_ratio
from attune.services.cli.measure.embedding.plan import Load
from attune.services.cli.measure.embedding.servers.server import OURS

SECTION = "closed_loop"


class ClosedLoop:
    """A slice for each load, concurrency and server; the servers one right after the other."""

    def steps(self, bench: Bench) -> Sequence[Step]:
        """A step for each load and concurrency."""
        return [
            Step(f"{load}, {concurrency} callers", partial(_measure, bench, load, concurrency))
            for load, concurrency in product(bench.plan.loads, bench.plan.concurrency)
        ]

    def summary(self, bench: Bench) -> Mapping[str, float]:
        """Our throughput, and our median latency, divided by each peer's."""
        figures: dict[str, float] = {}
        for load, concurrency, peer in product(bench.plan.loads, bench.plan.concurrency, bench.peers):
            cases = (Case(SECTION, name, load, concurrency) for name in (OURS, peer.name))
            figures |= _ratios(bench.observations, *cases)
        return figures


def _ratios(observations: Sequence[Observation], ours: Case, theirs: Case) -> dict[str, float]:
    name = f"{ours.load}_c{ours.concurrency}_{theirs.subject}"
    ratios = {
        f"ratio_{name}": median_ratio(observations, ours, theirs, "texts_per_s"),
        f"p50_ratio_{name}": median_ratio(observations, ours, theirs, "p50_ms"),
    }
    return {key: ratio for key, ratio in ratios.items() if ratio is not None}


def _measure(bench: Bench, load: Load, concurrency: int, number: int) -> Iterator[Observation]:
    texts = bench.texts(load, bench.plan.seconds, seed=number)
    for server in bench.in_turn(number):
        measured = bench.closed_loop(server, texts, concurrency, bench.plan.seconds)
        yield Observation(Case(SECTION, server.name, load, concurrency), number, measured.measures())
