"""What was seen in each round, and what the rounds say together."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from attune.services.cli.measure.report import Row


@dataclass(frozen=True, order=True)
class Case:
    """What was measured."""

    section: str
    subject: str
    """A server, or an engine in this machine's own process."""
    load: str
    concurrency: int = 0
    """Requests in flight; 0 where there are none."""


@dataclass(frozen=True)
class Observation:
    """The measures of one case in one round."""

    case: Case
    round: int
    measures: Mapping[str, float]


def median_rows(observations: Sequence[Observation]) -> list[Row]:
    """A row for each case, in the order first seen, with the median of each measure over the rounds."""
    return [_row(case, each) for case, each in _by_case(observations).items()]


def median_ratio(observations: Sequence[Observation], over: Case, under: Case, measure: str) -> float | None:
    """The median over the rounds of `over`'s measure divided by `under`'s in the same round; None where none has both.

    Ratios are taken within a round because the machine's speed drifts between rounds.
    """
    cases = _by_case(observations)
    divisors = {each.round: each.measures[measure] for each in cases.get(under, ())}
    ratios = [each.measures[measure] / divisors[each.round] for each in cases.get(over, ()) if divisors.get(each.round)]
    return median(ratios) if ratios else None


def median_of(observations: Sequence[Observation], case: Case, measure: str) -> float | None:
    """The median of a measure over the rounds; None where the case was not measured."""
    values = [each.measures[measure] for each in observations if each.case == case]
    return median(values) if values else None


def _by_case(observations: Sequence[Observation]) -> dict[Case, list[Observation]]:
    cases: defaultdict[Case, list[Observation]] = defaultdict(list)
    for each in observations:
        cases[each.case].append(each)
    return cases


def _row(case: Case, observations: Sequence[Observation]) -> Row:
    row: dict[str, str | int | float] = {"section": case.section, "subject": case.subject, "load": case.load}
    if case.concurrency:
        row["concurrency"] = case.concurrency
    measures = {
        name: rounded(median(each.measures[name] for each in observations)) for name in observations[0].measures
    }
    return {**row, **measures, "rounds": len(observations)}


def rounded(value: float) -> float:
    """Four significant digits, more than two rounds agree on; all digits before the point are kept."""
    return round(value) if isinstance(value, int) or abs(value) >= 1000 else float(f"{value:.4g}")
