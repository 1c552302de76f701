"""Our engine without the service, beside sentence-transformers and the machine's matrix-product ceiling."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from attune.services.cli.measure.embedding.bench import Bench, Step
from attune.services.cli.measure.embedding.observation import Case, Observation, median_of, median_ratio
from attune.services.cli.measure.embedding.plan import Load, Peer
from attune.services.cli.measure.embedding.servers.server import OURS

_SECTION = "in_process"
_CALL = 256
"""Texts in one call: sentence-transformers sorts them by length, and pads the less the more there are."""


class InProcess:
    """An engine after the other on the same texts, each between two measures of the ceiling."""

    def steps(self, bench: Bench) -> Sequence[Step]:
        """A step for each load."""
        return [Step(f"{load}, in process", partial(_measure, bench, load)) for load in bench.plan.loads]

    def summary(self, bench: Bench) -> Mapping[str, float]:
        """The fractions of the ceiling, and the ratio to sentence-transformers at the same precision."""
        figures = {
            f"ceiling_fraction_{load}": median_of(bench.observations, _case(OURS, load), "ceiling_fraction")
            for load in bench.plan.loads
        }
        reference = _case(reference_at(bench.local.model.precision), Load.ZIPF)
        figures["inprocess_ratio_zipf"] = median_ratio(
            bench.observations, _case(OURS, Load.ZIPF), reference, "texts_per_s"
        )
        return {name: figure for name, figure in figures.items() if figure is not None}


def reference_at(precision: str) -> str:
    """The engine that is sentence-transformers at a precision."""
    return f"sentence_transformers_{precision}"


def _engines(bench: Bench) -> list[str]:
    """Ours, and sentence-transformers at our precision and in fp32."""
    if Peer.SENTENCE_TRANSFORMERS not in bench.plan.against:
        return [OURS]
    return [OURS, *dict.fromkeys(reference_at(each) for each in (bench.local.model.precision, "fp32"))]


def _measure(bench: Bench, load: Load, number: int) -> Iterator[Observation]:
    texts = bench.local.texts(load, _CALL, seed=number)
    for engine in _engines(bench):
        yield Observation(_case(engine, load), number, bench.local.speed(engine, texts, bench.plan.seconds))


def _case(engine: str, load: Load) -> Case:
    return Case(_SECTION, engine, load)
