"""Until when certificates hold, and when an issuer's keys were read, as Prometheus reads it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.fakes.authority import Authority
from tests.fakes.issuer import Issuer

from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.security.ages import publish_expiry
from attune.services.runtime.security.authenticator import Authenticator
from attune.services.runtime.security.published_keys import PublishedKeys
from attune.services.runtime.security.web import FetchError

EXPIRY = "attune_certificate_expiry_timestamp_seconds"
READ_AT = "attune_jwks_last_success_timestamp_seconds"
FAILURES = "attune_jwks_failures_total"
A_DAY = timedelta(days=1).total_seconds()
A_WHILE = 600
"""Seconds that a busy machine may take."""


def left_s(metrics: Metrics, side: str, part: str) -> float | None:
    """Seconds until expiry; None where nothing is told."""
    end = metrics.registry.get_sample_value(EXPIRY, {"side": side, "part": part})
    return None if end is None else end - datetime.now(UTC).timestamp()


def published(config: Config) -> Metrics:
    metrics = Metrics()
    publish_expiry(config, metrics)
    return metrics


@pytest.fixture
def ours() -> Authority:
    """Made now: what is made while tests are collected is an hour old in some."""
    return Authority("ours")


@pytest.fixture
def config(tmp_path: Path, ours: Authority) -> Config:
    certificate, key = ours.issue(tmp_path, "attune.example")
    trusted = ours.write(tmp_path / "ca.crt")
    return Config(tls_cert_file=certificate, tls_key_file=key, tls_client_ca_file=trusted, tls_ca_file=trusted)


@pytest.mark.parametrize("side", ["server", "client"])
@pytest.mark.parametrize("part", ["own", "trusted"])
def test_it_is_told_of_what_is_shown_and_believed_on_both_sides(config: Config, side: str, part: str) -> None:
    assert left_s(published(config), side, part) == pytest.approx(A_DAY, abs=A_WHILE)


def test_where_nothing_is_encrypted_nothing_is_told() -> None:
    metrics = published(Config())
    assert not [each for family in metrics.registry.collect() for each in family.samples if each.name == EXPIRY]


def test_a_caller_without_a_certificate_tells_what_it_believes(tmp_path: Path, ours: Authority) -> None:
    metrics = published(Config(tls_ca_file=ours.write(tmp_path / "ca.crt")))
    assert left_s(metrics, "client", "trusted") == pytest.approx(A_DAY, abs=A_WHILE)
    assert left_s(metrics, "client", "own") is None
    assert left_s(metrics, "server", "trusted") is None


def test_of_a_chain_the_first_to_expire_counts_and_of_the_trusted_the_last(
    tmp_path: Path, ours: Authority, config: Config
) -> None:
    assert config.tls_cert_file
    assert config.tls_ca_file
    (tmp_path / "old").mkdir()
    expired, _ = ours.issue(tmp_path / "old", "old", expired=True)
    for path in (config.tls_cert_file, config.tls_ca_file):
        path.write_bytes(path.read_bytes() + expired.read_bytes())
    metrics = published(config)
    assert left_s(metrics, "server", "own") == pytest.approx(-2 * A_DAY, abs=A_WHILE)
    assert left_s(metrics, "server", "trusted") == pytest.approx(A_DAY, abs=A_WHILE)


def test_a_certificate_that_is_replaced_is_told_once_its_key_fits(
    tmp_path: Path, ours: Authority, config: Config
) -> None:
    assert config.tls_cert_file
    assert config.tls_key_file
    metrics = published(config)
    (tmp_path / "next").mkdir()
    certificate, key = ours.issue(tmp_path / "next", "attune.example", expired=True)
    certificate.replace(config.tls_cert_file)
    assert left_s(metrics, "server", "own") == pytest.approx(A_DAY, abs=A_WHILE)
    key.replace(config.tls_key_file)
    for side in ("server", "client"):
        assert left_s(metrics, side, "own") == pytest.approx(-2 * A_DAY, abs=A_WHILE)


def test_a_file_that_goes_away_leaves_what_is_in_use(config: Config) -> None:
    assert config.tls_cert_file
    metrics = published(config)
    config.tls_cert_file.unlink()
    assert left_s(metrics, "server", "own") == pytest.approx(A_DAY, abs=A_WHILE)


def test_a_wrong_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"ca\.crt must have certificates"):
        published(Config(tls_ca_file=tmp_path / "ca.crt"))


async def test_readings_of_keys_are_told_with_their_time_and_those_that_fail_are_counted() -> None:
    metrics, issuer, now = Metrics(), Issuer(), [0.0]
    answers = [issuer.key_set, FetchError("away"), b"no key set", issuer.key_set]

    def read() -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    keys = PublishedKeys(read, "keys", refresh_s=300, clock=lambda: now[0], told=metrics.count_key_reading)
    told = []
    assert metrics.registry.get_sample_value(READ_AT) == 0
    while answers:
        await keys.find("1", "ES256")
        assert keys._asking
        await keys._asking
        told.append((metrics.registry.get_sample_value(READ_AT), metrics.registry.get_sample_value(FAILURES)))
        now[0] += 301
    first = told[0][0]
    assert first
    assert first == pytest.approx(datetime.now(UTC).timestamp(), abs=A_WHILE)
    assert told[:3] == [(first, 0), (first, 1), (first, 2)]
    assert told[3][1] == 2
    assert told[3][0] is not None
    assert told[3][0] > first


def test_the_keys_of_a_role_are_told_by_its_metrics(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(Issuer().key_set)
    metrics = Metrics()
    config = Config(jwks_file=tmp_path / "keys.json", jwt_issuer="https://issuer.example", jwt_audience="attune")
    Authenticator.of(config, metrics.count_key_reading)
    assert metrics.registry.get_sample_value(READ_AT) == pytest.approx(datetime.now(UTC).timestamp(), abs=A_WHILE)
