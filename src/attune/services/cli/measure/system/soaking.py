"""Memory under traffic: what is bounded is filled first, so that what grows afterwards has no bound that is known."""

import time
from collections.abc import Sequence
from dataclasses import replace

from attune.services.cli.measure.errors import BenchError
from attune.services.cli.measure.memory import watched
from attune.services.cli.measure.report import Row
from attune.services.cli.measure.system.figures import failed
from attune.services.cli.measure.system.memory import Sample, growth_mib
from attune.services.cli.measure.system.phases import Bench, Phase, add_latencies
from attune.services.cli.measure.system.traffic import OK, Call
from attune.services.runtime.config import RoleName
from attune.services.search.kept_rankings import RANKINGS

_UNPACED = 1e6
"""Calls a second: each thread makes its next call when it has the answer to the last."""
_FILLED_WITHIN_S = 900
_LOOK_EVERY_S = 0.1


def soak(bench: Bench, minutes: float, every_s: float) -> None:
    """Fill what is bounded, then traffic for some minutes under which memory is watched.

    Raises BenchError where that is too short to tell whether memory grows, or the filling does not end.
    """
    before = bench.roles.memory()
    _fill(bench)
    filled = bench.roles.memory()
    bench.told(f"soaking for {minutes:g} minutes")
    with bench.traffic() as calls, watched(bench.roles.memory, every_s) as samples:
        time.sleep(60 * minutes)
    add_latencies(bench, Phase.SOAK, calls)
    rows = [{**_memory_row(role, samples), **_warm_up_row(role, before, filled)} for role in RoleName]
    bench.rows += rows
    bench.summary |= {
        "soak_warm_up_held_growth_mib_per_role": max(float(each["warm_up_held_grown_mib"]) for each in rows),
        "soak_minutes": minutes,
        "soak_requests": len(calls),
        "soak_failed_requests": len(failed(calls)),
        "soak_growth_mib_per_role": max(float(each["grown_mib"]) for each in rows),
        "soak_held_growth_mib_per_role": max(float(each["held_grown_mib"]) for each in rows),
    }


def _fill(bench: Bench) -> None:
    """As many searches as search keeps rankings of: the largest of what roles keep up to a bound.

    Raises BenchError where so many are not answered in time, or a role ends.
    """
    bench.told(f"filling what is kept, by {RANKINGS} searches")
    began = time.monotonic()
    unpaced = replace(bench, offered=replace(bench.offered, rate=_UNPACED))
    with unpaced.traffic(shares={"search": 1}) as calls:
        while _answered(calls) < RANKINGS:
            bench.roles.check_running()
            if time.monotonic() - began > _FILLED_WITHIN_S:
                raise BenchError(
                    f"{RANKINGS} searches were not answered within {_FILLED_WITHIN_S} seconds: "
                    f"{_answered(calls)} were, and {len(failed(calls))} failed; where none did, index fewer documents"
                )
            time.sleep(_LOOK_EVERY_S)
    bench.summary |= {
        "soak_warm_up_requests": len(calls),
        "soak_warm_up_failed_requests": len(failed(calls)),
        "soak_warm_up_minutes": (time.monotonic() - began) / 60,
    }


def _answered(calls: Sequence[Call]) -> int:
    return sum(each.code == OK for each in calls)


def _warm_up_row(role: RoleName, before: Sample, filled: Sample) -> Row:
    return {"warm_up_held_grown_mib": filled[role].held_mib - before[role].held_mib}


def _memory_row(role: RoleName, samples: Sequence[Sample]) -> Row:
    """With and without (`held`) the files that a process has mapped, which the kernel may drop."""
    seen = [each[role].resident_mib for each in samples]
    held = [each[role].held_mib for each in samples]
    grown, held_grown = growth_mib(seen), growth_mib(held)
    return {
        "phase": str(Phase.SOAK),
        "role": str(role),
        "samples": len(samples),
        "first_mib": seen[0],
        "last_mib": seen[-1],
        "largest_mib": max(seen),
        "grown_mib": grown,
        "held_last_mib": held[-1],
        "held_grown_mib": held_grown,
    }
