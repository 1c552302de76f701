"""What of the engine's own throughput is left when 32 texts come in each request."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from attune.services.cli.measure.embedding.bench import Bench, Step
from attune.services.cli.measure.embedding.observation import Case, Observation, median_ratio
from attune.services.cli.measure.embedding.plan import Load
from attune.services.cli.measure.embedding.servers.server import OURS

_TEXTS, _IN_FLIGHT = 32, 4
_CALL = 256
"""Texts in one call of the engine in process: more than the service has in flight, so the bar is the higher one."""
_SERVED = Case("batch32", OURS, Load.ZIPF, _IN_FLIGHT)
_IN_PROCESS = Case("batch32", f"{OURS}_in_process", Load.ZIPF)


class Batches:
    """Our service and our engine on the same texts, one right after the other."""

    def steps(self, bench: Bench) -> Sequence[Step]:
        """One step."""
        return [Step(f"{_TEXTS} texts to a request", partial(_measure, bench))]

    def summary(self, bench: Bench) -> Mapping[str, float]:
        """The share that is left."""
        share = median_ratio(bench.observations, _SERVED, _IN_PROCESS, "texts_per_s")
        return {} if share is None else {"service_share_batch32": share}


def _measure(bench: Bench, number: int) -> Iterator[Observation]:
    texts = bench.local.texts(Load.ZIPF, _CALL, seed=number)
    served = bench.closed_loop(bench.ours, texts, _IN_FLIGHT, bench.plan.seconds, _TEXTS)
    yield Observation(_SERVED, number, {"texts_per_s": served.measures(_TEXTS)["texts_per_s"]})
    alone = bench.local.speed(OURS, texts, bench.plan.seconds)
    yield Observation(_IN_PROCESS, number, {"texts_per_s": alone["texts_per_s"]})
