"""Plain text stays on this machine, and so do callers without credentials, unless somebody says otherwise."""

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.authority import Authority

from attune.services.client import Client, Tls
from attune.services.client.channels import Addresses
from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.outgoing import connect
from attune.services.runtime.security.starting import arranged
from attune.services.runtime.security.transport import is_local

OURS = Authority("ours")
EVERYWHERE = "0.0.0.0"
ALL = tuple(RoleName)


@pytest.fixture
def encrypted(tmp_path: Path) -> dict[str, Any]:
    certificate, key = OURS.issue(tmp_path, "*.attune.example")
    return {"tls_cert_file": certificate, "tls_key_file": key, "tls_ca_file": OURS.write(tmp_path / "ca.crt")}


@pytest.mark.parametrize(
    ("address", "local"),
    [
        *((each, True) for each in ("127.0.0.1:5", "127.8.9.1:5", "localhost:5", "[::1]:5", "0.0.0.0:5", "[::]:5")),
        *((each, True) for each in ("dns:///localhost:5", "ipv4:127.0.0.1:5", "ipv6:[::1]:5", "unix:/run/attune")),
        ("ipv4:127.0.0.1:5,127.0.0.1:6", True),
        *((each, False) for each in ("search:5", "10.0.0.1:5", "[fe80::1]:5", "localhost.example:5", "")),
        *((each, False) for each in ("dns:///search:5", "ipv4:127.0.0.1:5,10.0.0.1:5", "dns://8.8.8.8/localhost:5")),
    ],
)
def test_an_address_is_this_machines_only_for_certain(address: str, local: bool) -> None:
    assert is_local(address) is local


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_on_loopback_nothing_is_needed(host: str) -> None:
    config = Config(host=host)
    assert arranged(config, ALL) == config


def test_plain_text_beyond_it_is_refused_and_may_be_allowed() -> None:
    with pytest.raises(ConfigError, match="ATTUNE_TLS_CERT_FILE and ATTUNE_TLS_KEY_FILE, or ATTUNE_ALLOW_PLAINTEXT"):
        arranged(Config(host=EVERYWHERE, allow_anonymous=True), ALL)
    arranged(Config(host=EVERYWHERE, allow_anonymous=True, allow_plaintext=True), ALL)


def test_anonymity_beyond_it_is_refused_and_may_be_allowed(encrypted: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="ATTUNE_TOKENS_FILE"):
        arranged(Config(host=EVERYWHERE, **encrypted), ALL)
    arranged(Config(host=EVERYWHERE, allow_anonymous=True, **encrypted), ALL)
    arranged(Config(host=EVERYWHERE, service_token="secret", **encrypted), ALL)  # type: ignore[arg-type]


def test_callers_certificates_need_one_of_the_servers_own(encrypted: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="ATTUNE_TLS_CLIENT_CA_FILE needs"):
        arranged(Config(tls_client_ca_file=encrypted["tls_ca_file"]), ALL)


def test_roles_of_one_process_know_the_name_in_their_certificate(encrypted: dict[str, Any]) -> None:
    assert arranged(Config(**encrypted), ALL).tls_server_name == "attune.attune.example"
    assert arranged(Config(tls_server_name="mine", **encrypted), ALL).tls_server_name == "mine"
    assert arranged(Config(**encrypted), [RoleName.EMBEDDING]).tls_server_name == ""


async def test_a_role_calls_another_machine_in_plain_text_only_if_that_is_allowed(encrypted: dict[str, Any]) -> None:
    elsewhere = {"embedding_address": "embedding:50051"}
    with pytest.raises(ConfigError, match="embedding:50051 could be read on the way: set ATTUNE_TLS_CA_FILE"):
        connect(Config(**elsewhere), RoleName.EMBEDDING)
    for allowed in ({"allow_plaintext": True}, encrypted):
        await connect(Config(**elsewhere, **allowed), RoleName.EMBEDDING).close()


def test_so_does_the_client(encrypted: dict[str, Any]) -> None:
    elsewhere = Addresses(search="search.example:443")
    with pytest.raises(ConfigError, match=r"search\.example:443 could be read on the way"):
        Client(elsewhere)
    Client(elsewhere, allow_plaintext=True).close()
    Client(elsewhere, tls=Tls()).close()
    Client(elsewhere, tls=Tls.of(Config(**encrypted))).close()
    assert Tls.of(Config()) is None
