"""How often a tenant may call: a token bucket for each, in the memory of each server.

N servers behind one name allow N times as much. A call counts once, where it comes in: roles that pass it on are not
counted again. A stream is one call.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.errors import ServiceError
from attune.services.runtime.security.identity import Identity, is_tenant

LEAST_CALLS_PER_S = 0.001
"""A call in a quarter of an hour, about: of less, when to come back is no time that anybody could be told."""
_MOST_TENANTS = 10_000
_USUAL_BURST_S = 10.0


@dataclass(frozen=True, slots=True)
class Quota:
    """What a tenant may do."""

    calls_per_s: float
    burst: float
    """Calls that may come at once after a pause."""


class _Bucket:
    """What is left of a quota."""

    def __init__(self, quota: Quota, now: float) -> None:
        self._quota = quota
        self._left = quota.burst
        self._at = now

    def take(self, now: float) -> float:
        """Take a call out; return 0, or where none is left in how many seconds one will be."""
        self._fill(now)
        if self._left < 1:
            return (1 - self._left) / self._quota.calls_per_s
        self._left -= 1
        return 0

    def is_full(self, now: float) -> bool:
        """Whether it is as if it had never been used."""
        self._fill(now)
        return self._left >= self._quota.burst

    def _fill(self, now: float) -> None:
        self._left = min(self._quota.burst, self._left + (now - self._at) * self._quota.calls_per_s)
        self._at = now


class Quotas:
    """The quotas of all tenants. To be used on one event loop."""

    def __init__(
        self,
        usual: Quota | None = None,
        others: Mapping[str, Quota | None] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._usual = usual
        self._others = others or {}
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    @classmethod
    def of(cls, config: Config) -> "Quotas":
        """As configured.

        Raises:
            ConfigError: the usual quota is too small, or the file of quotas cannot be read or is not what it must be.
        """
        if 0 < config.quota_calls_per_s < LEAST_CALLS_PER_S:
            raise ConfigError(f"ATTUNE_QUOTA_CALLS_PER_S must be {LEAST_CALLS_PER_S} or more, or 0 for any number")
        usual = _quota(config.quota_calls_per_s, config.quota_burst) if config.quota_calls_per_s else None
        return cls(usual, _read(config.quotas_file) if config.quotas_file else {})

    def take(self, identity: Identity) -> None:
        """Count a call.

        Raises:
            ServiceError: RESOURCE_EXHAUSTED, with when to come back.
        """
        quota = self._others.get(identity.tenant, self._usual)
        if quota is None or identity.is_role:
            return
        wait_s = self._bucket(identity.tenant, quota).take(self._clock())
        if wait_s:
            raise ServiceError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "QUOTA_EXCEEDED",
                f"this tenant may make {quota.calls_per_s:g} calls a second, and {quota.burst:g} at once after a pause",
                retry_after_s=max(wait_s, 0.001),
            )

    def _bucket(self, tenant: str, quota: Quota) -> _Bucket:
        if tenant not in self._buckets:
            if len(self._buckets) >= _MOST_TENANTS:
                now = self._clock()
                self._buckets = {name: each for name, each in self._buckets.items() if not each.is_full(now)}
            self._buckets[tenant] = _Bucket(quota, self._clock())
        return self._buckets[tenant]


def has_quotas(config: Config) -> bool:
    """Whether any are configured."""
    return bool(config.quota_calls_per_s or config.quotas_file)


def _quota(calls_per_s: float, burst: float | None) -> Quota:
    return Quota(calls_per_s, burst if burst is not None else max(1.0, _USUAL_BURST_S * calls_per_s))


def _read(path: Path) -> dict[str, Quota | None]:
    mend = f'ATTUNE_QUOTAS_FILE ({path}) must be a JSON object {{"tenant": {{"calls_per_s": 50, "burst": 500}}}}'
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{mend}; it cannot be read") from error
    if not isinstance(entries, dict) or not all(is_tenant(tenant) for tenant in entries):
        raise ConfigError(mend)
    return {tenant: _entry(entry, mend) for tenant, entry in entries.items()}


def _entry(entry: Any, mend: str) -> Quota | None:
    if entry is None:
        return None
    if not isinstance(entry, dict) or not {"calls_per_s"} <= entry.keys() <= {"calls_per_s", "burst"}:
        raise ConfigError(mend)
    if not all(_is_number(value) for value in entry.values()):
        raise ConfigError(f"{mend}; both are numbers, calls_per_s {LEAST_CALLS_PER_S} or more and burst 1 or more")
    quota = _quota(entry["calls_per_s"], entry.get("burst"))
    if quota.calls_per_s < LEAST_CALLS_PER_S or quota.burst < 1:
        raise ConfigError(f"{mend}; calls_per_s must be {LEAST_CALLS_PER_S} or more, and burst 1 or more")
    return quota


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
