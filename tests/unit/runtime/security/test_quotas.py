"""Quotas: no tenant calls more often than it may, none suffers from another, and roles are not counted."""

from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.errors import ServiceError
from attune.services.runtime.security import quotas as module
from attune.services.runtime.security.identity import Identity
from attune.services.runtime.security.quotas import Quota, Quotas
from attune.services.runtime.security.scopes import EVERY_SCOPE
from attune.services.runtime.security.starting import arranged


def of(tenant: str, *, is_role: bool = False) -> Identity:
    return Identity(tenant, EVERY_SCOPE, is_role=is_role)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def let_in(quotas: Quotas, identity: Identity, calls: int) -> int:
    """How many of so many calls are answered."""
    answered = 0
    for _ in range(calls):
        try:
            quotas.take(identity)
        except ServiceError:
            continue
        answered += 1
    return answered


def test_a_burst_is_let_in_and_then_the_rate() -> None:
    clock = Clock()
    quotas = Quotas(Quota(calls_per_s=2, burst=5), clock=clock)
    assert let_in(quotas, of("acme"), 20) == 5
    clock.now = 1
    assert let_in(quotas, of("acme"), 20) == 2
    clock.now = 1000
    assert let_in(quotas, of("acme"), 20) == 5


def test_who_is_refused_is_told_when_to_come_back() -> None:
    clock = Clock()
    quotas = Quotas(Quota(calls_per_s=0.5, burst=1), clock=clock)
    quotas.take(of("acme"))
    with pytest.raises(ServiceError) as refused:
        quotas.take(of("acme"))
    assert (refused.value.code, refused.value.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
    assert refused.value.retry_after_s == pytest.approx(2)
    clock.now = refused.value.retry_after_s or 0
    quotas.take(of("acme"))


def test_one_tenant_takes_nothing_from_another_and_roles_take_nothing() -> None:
    quotas = Quotas(Quota(1, 3), clock=Clock())
    assert let_in(quotas, of("acme"), 10) == 3
    assert let_in(quotas, of("globex"), 10) == 3
    assert let_in(quotas, of("acme", is_role=True), 100) == 100


def test_tenants_may_have_quotas_of_their_own() -> None:
    quotas = Quotas(Quota(1, 3), {"large": Quota(1, 7), "free": None}, clock=Clock())
    assert [let_in(quotas, of(tenant), 50) for tenant in ("acme", "large", "free")] == [3, 7, 50]


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 20)), min_size=1, max_size=30),
    st.floats(0.1, 50),
    st.floats(1, 50),
)
def test_in_any_stretch_of_time_no_more_than_burst_and_rate(
    steps: list[tuple[float, int]], rate: float, burst: float
) -> None:
    clock = Clock()
    quotas = Quotas(Quota(rate, burst), clock=clock)
    times: list[float] = []
    for pause_s, calls in steps:
        clock.now += pause_s
        times += [clock.now] * let_in(quotas, of("acme"), calls)
    for first, begin in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + rate * (times[last] - begin) + 1e-6


def test_tenants_that_are_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_TENANTS", 10)
    clock = Clock()
    quotas = Quotas(Quota(1, 1), clock=clock)
    for number in range(100):
        quotas.take(of(f"tenant-{number}"))
        clock.now += 0.5
    assert len(quotas._buckets) <= 10
    assert let_in(quotas, of("tenant-99"), 5) == 0


def test_without_settings_nobody_is_counted() -> None:
    assert let_in(Quotas.of(Config()), of("acme"), 1000) == 1000


def test_settings_are_of_all_and_the_file_of_some(tmp_path: Path) -> None:
    path = tmp_path / "quotas.json"
    path.write_text('{"large": {"calls_per_s": 100}, "small": {"calls_per_s": 1, "burst": 1}, "free": null}')
    quotas = Quotas.of(Config(quota_calls_per_s=2, quotas_file=path))
    assert [let_in(quotas, of(tenant), 1) for tenant in ("acme", "large", "small", "free")] == [1, 1, 1, 1]
    assert quotas._others == {"large": Quota(100, 1000), "small": Quota(1, 1), "free": None}
    assert quotas._usual == Quota(2, 20)
    assert Quotas.of(Config(quota_calls_per_s=0.01))._usual == Quota(0.01, 1)


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{", '{"a/b": null}', '{"a": 5}', '{"a": {}}', '{"a": {"burst": 5}}'),
        *(
            '{"a": {"calls_per_s": BAD}}'.replace("BAD", bad)
            for bad in ("0", "-1", "1e-320", "0.0009", '"5"', "true", "NaN", "Infinity")
        ),
        *('{"a": {"calls_per_s": 1, "burst": BAD}}'.replace("BAD", bad) for bad in ("0", "0.5", "null")),
        '{"a": {"calls_per_s": 1, "more": 1}}',
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "quotas.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="ATTUNE_QUOTAS_FILE"):
        Quotas.of(Config(quotas_file=path))


@pytest.mark.parametrize("rate", [5e-324, 1e-320, 0.0009])
def test_a_rate_at_which_nobody_would_come_back_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="ATTUNE_QUOTA_CALLS_PER_S"):
        Quotas.of(Config(quota_calls_per_s=rate))


def test_the_least_rate_is_a_time_to_come_back(tmp_path: Path) -> None:
    path = tmp_path / "quotas.json"
    path.write_text('{"acme": {"calls_per_s": 0.001}}')
    quotas = Quotas.of(Config(quotas_file=path))
    assert let_in(quotas, of("acme"), 1) == 1
    with pytest.raises(ServiceError) as refused:
        quotas.take(of("acme"))
    assert 0 < (refused.value.retry_after_s or 0) <= 1000


def test_quotas_without_credentials_are_refused() -> None:
    with pytest.raises(ConfigError, match="ATTUNE_TOKENS_FILE"):
        arranged(Config(quota_calls_per_s=5), list(RoleName))
