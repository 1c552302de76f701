"""Eight domains mixed in a batch, against the same texts through one expert."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from itertools import product

from attune.services.cli.measure.embedding.bench import Bench, Step
from attune.services.cli.measure.embedding.observation import Case, Observation, median_of
from attune.services.cli.measure.embedding.plan import Load
from attune.services.cli.measure.embedding.servers.server import OURS

_SECTION = "mixed_domains"
_DOMAINS = 8
_CALL = 256


class Share(StrEnum):
    """How texts are spread over the domains."""

    UNIFORM = "uniform"
    SKEWED = "skewed"
    """Zipf's law: the n-th domain has a weight of 1/n."""


class MixedDomains:
    """Our engine in process: the same texts by turns through one expert and through eight."""

    def steps(self, bench: Bench) -> Sequence[Step]:
        """A step for each load and spread."""
        return [
            Step(f"{load}, {_DOMAINS} domains, {share}", partial(_measure, bench, load, share))
            for load, share in product(bench.plan.loads, Share)
        ]

    def summary(self, bench: Bench) -> Mapping[str, float]:
        """The ratio of each load and spread, and the lowest of them."""
        ratios = {
            f"mixed_domains_ratio_{load}_{share}": median_of(bench.observations, _case(load, share), "ratio")
            for load, share in product(bench.plan.loads, Share)
        }
        measured = {name: ratio for name, ratio in ratios.items() if ratio is not None}
        return measured | ({"mixed_domains_ratio": min(measured.values())} if measured else {})


def _measure(bench: Bench, load: Load, share: Share, number: int) -> Iterator[Observation]:
    texts = bench.local.texts(load, _CALL, seed=number)
    weights = [1.0 if share is Share.UNIFORM else 1 / (place + 1) for place in range(_DOMAINS)]
    measures = bench.local.mixed(texts, weights, number, bench.plan.seconds)
    yield Observation(_case(load, share), number, measures)


def _case(load: Load, share: Share) -> Case:
    return Case(_SECTION, f"{OURS}_{share}", load)
