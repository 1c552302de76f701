"""What is done to the system under traffic, phase by phase."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from attune.services.cli.measure.report import Row
from attune.services.cli.measure.system.calls import SHARES, Material
from attune.services.cli.measure.system.figures import (
    RETRYABLE,
    failed,
    latency_rows,
    outside,
    stage_rows,
    window_row,
)
from attune.services.cli.measure.system.ledger import Ledger
from attune.services.cli.measure.system.roles import Roles, Window
from attune.services.cli.measure.system.traffic import Call, Offered, Traffic
from attune.services.client import Client
from attune.services.runtime.config import RoleName


class Phase(StrEnum):
    """What can be measured."""

    STEADY = "steady"
    SOAK = "soak"
    KILLED = "killed"
    ROLLING = "rolling"
    ROLLING_PLAIN = "rolling-plain"
    UNAUTHORISED = "unauthorised"


@dataclass
class Bench:
    """The running system, who calls it, and what was measured."""

    roles: Roles
    material: Material
    ledger: Ledger
    offered: Offered
    token: str
    told: Callable[[str], None]
    """Hears what is being done."""
    chosen: Sequence[RoleName] = tuple(RoleName)
    """Which are killed and replaced."""
    apart_s: float = 10.0
    """Between one and the next, and at the beginning and the end."""
    rows: list[Row] = field(default_factory=list)
    summary: dict[str, float] = field(default_factory=dict)

    def client(self, *, wait_for_ready: bool = False, stream_timeout_s: float = 30) -> Client:
        """A caller with the documented retry policy; one that also waits for a service that is not there."""
        return Client(
            self.roles.addresses(),
            token=self.token,
            wait_for_ready=wait_for_ready,
            timeout_s=10,
            stream_timeout_s=stream_timeout_s,
        )

    @contextmanager
    def traffic(self, *, wait_for_ready: bool = False, shares: Mapping[str, int] = SHARES) -> Iterator[list[Call]]:
        """Calls made in the `with` block, all of them once it has ended."""
        with self.client(wait_for_ready=wait_for_ready) as client:
            traffic = Traffic(client, self.material, self.ledger, self.offered, shares)
            with traffic.running():
                yield traffic.calls
        self.roles.check_running()


def steady(bench: Bench, minutes: float) -> None:
    """Nothing happens but traffic."""
    bench.told(f"traffic for {minutes:g} minutes")
    with bench.traffic() as calls:
        time.sleep(60 * minutes)
    add_latencies(bench, Phase.STEADY, calls)
    bench.summary |= {"steady_requests": len(calls), "steady_failed_requests": len(failed(calls))}


def killed(bench: Bench) -> None:
    """Each role is killed in its turn, and started again."""
    with bench.traffic() as calls:
        windows = _one_by_one(bench, "killing", bench.roles.kill)
    _add_windows(bench, Phase.KILLED, windows, calls)
    bench.summary |= _failures("killed", windows, calls)


def rolling(bench: Bench) -> None:
    """Each role is replaced in its turn, for callers that wait for a service that is not there."""
    with bench.traffic(wait_for_ready=True) as calls:
        windows = _one_by_one(bench, "replacing", bench.roles.replace)
    _add_windows(bench, Phase.ROLLING, windows, calls)
    bench.summary |= {
        "rolling_restart_requests": len(calls),
        "rolling_restart_failed_requests": len(failed(calls)),
        "rolling_restart_ended_badly": sum(each.status != 0 for each in windows),
        "rolling_restart_longest_away_s": max(each.seconds for each in windows),
    }


def rolling_plain(bench: Bench) -> None:
    """The same for callers that try four times and then fail: what a role's only process is away for costs them."""
    with bench.traffic() as calls:
        windows = _one_by_one(bench, "replacing", bench.roles.replace)
    _add_windows(bench, Phase.ROLLING_PLAIN, windows, calls)
    bench.summary |= _failures("rolling_restart_plain", windows, calls)
    bench.summary["rolling_restart_plain_ended_badly"] = sum(each.status != 0 for each in windows)


def _failures(name: str, windows: Sequence[Window], calls: Sequence[Call]) -> dict[str, float]:
    """How many calls failed, and of them those that must not have, by what was measured."""
    errors = failed(calls)
    return {
        f"{name}_requests": len(calls),
        f"{name}_failed_requests": len(errors),
        f"{name}_failed_outside_windows": len(outside(errors, windows)),
        f"{name}_failed_not_retryable": sum(each.code not in RETRYABLE for each in errors),
    }


def _one_by_one(bench: Bench, doing: str, work: Callable[[RoleName], Window]) -> list[Window]:
    windows = []
    time.sleep(bench.apart_s)
    for role in bench.chosen:
        bench.told(f"{doing} {role}")
        windows.append(work(role))
        time.sleep(bench.apart_s)
    return windows


def _add_windows(bench: Bench, phase: Phase, windows: Sequence[Window], calls: Sequence[Call]) -> None:
    bench.rows += [window_row(phase, each, calls) for each in windows]
    bench.rows += latency_rows(phase, calls)


def add_latencies(bench: Bench, phase: Phase, calls: Sequence[Call]) -> None:
    """How long the calls of a phase took, as rows of the report."""
    bench.rows += [*latency_rows(phase, calls), *stage_rows(phase, calls)]
