"""Calls in numbers: how long they took by kind and stage, what failed, and whether it might."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from attune.services.cli.measure.report import Row
from attune.services.cli.measure.system.roles import FOUND_WITHIN_S, Window
from attune.services.cli.measure.system.traffic import OK, Call, between

RETRYABLE = frozenset({"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"})
"""What a call may fail with that may be made again. All of attune's may."""


def latency_rows(phase: str, calls: Sequence[Call]) -> list[Row]:
    """By kind of call: how many, how many failed, and percentiles of those that were answered, in milliseconds."""
    kinds = sorted({each.kind for each in calls})
    return [_latency(phase, kind, [each for each in calls if each.kind == kind]) for kind in kinds]


def _latency(phase: str, kind: str, calls: Sequence[Call]) -> Row:
    times = [each.ms for each in calls if each.code == OK]
    p50, p95, p99 = np.percentile(times, [50, 95, 99]) if times else (0.0, 0.0, 0.0)
    return {
        "phase": phase,
        "call": kind,
        "calls": len(calls),
        "failed": len(calls) - len(times),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p99_ms": float(p99),
        "codes": _codes(each.code for each in failed(calls)),
    }


def stage_rows(phase: str, calls: Sequence[Call]) -> Iterator[Row]:
    """The same of the stages that answers tell."""
    for kind in sorted({each.kind for each in calls if each.stages}):
        told = [each.stages for each in calls if each.kind == kind and each.stages]
        for stage in dict.fromkeys(name for each in told for name in each):
            p50, p95, p99 = np.percentile([each.get(stage, 0.0) for each in told], [50, 95, 99])
            yield {
                "phase": phase,
                "call": kind,
                "stage": stage,
                "p50_ms": float(p50),
                "p95_ms": float(p95),
                "p99_ms": float(p99),
            }


def window_row(phase: str, window: Window, calls: Sequence[Call]) -> Row:
    """What one role's end and start did to the calls that were under way meanwhile, or soon after."""
    met = between(calls, window.began_s, window.up_s + FOUND_WITHIN_S)
    errors = failed(met)
    return {
        "phase": phase,
        "role": str(window.role),
        "away_s": window.seconds,
        "status": "killed" if window.status is None else window.status,
        "calls": len(met),
        "failed": len(errors),
        "codes": _codes(f"{each.kind} {each.code}" for each in errors),
    }


def _codes(told: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(told).most_common())


def failed(calls: Sequence[Call]) -> list[Call]:
    """Those without an answer."""
    return [each for each in calls if each.code != OK]


def outside(calls: Sequence[Call], windows: Sequence[Window]) -> list[Call]:
    """Those that met none of the windows: from the kill until the role is up, and callers have found it."""
    met = {id(each) for window in windows for each in between(calls, window.began_s, window.up_s + FOUND_WITHIN_S)}
    return [each for each in calls if id(each) not in met]
