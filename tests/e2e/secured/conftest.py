"""A system behind certificates and credentials of every kind, and all that it logs; one role is its own process."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.e2e.material import catalog_lines
from tests.e2e.process import Running, up
from tests.fakes.authority import Authority
from tests.fakes.issuer import AUDIENCE, ISSUER, Issuer

from attune.services.cli.measure.reflected import Reflected, reflected_methods
from attune.services.client import Client, Tls
from attune.services.client.channels import Addresses
from attune.services.runtime.config import RoleName

ROLE_TOKEN = "secret-of-the-roles"
STATIC_TOKEN = "static-token-of-acme"
ROLES_IN_ORDER = tuple(str(role) for role in RoleName)
HASTY_TOKEN = "static-token-of-hasty"


@dataclass(frozen=True)
class Secured:
    """A running system that lets nobody in without a reason."""

    processes: Sequence[Running]
    issuer: Issuer
    tls: Tls
    directory: Path

    @property
    def addresses(self) -> dict[str, str]:
        """By role; that of suggestion is the process of its own."""
        return {role: address for each in self.processes for role, address in each.announced["roles"].items()}

    @property
    def metrics(self) -> Sequence[str]:
        """Where each process publishes its metrics."""
        return [each.announced["metrics"] for each in self.processes]

    @property
    def logs(self) -> str:
        """All that the processes wrote until now."""
        return "".join(path.read_text() for path in sorted(self.directory.glob("*.log")))

    def token(self, *scopes: str, tenant: str = "acme") -> str:
        """A good one."""
        return self.issuer.token(scope=" ".join(scopes), tenant=tenant)

    def client(self, token: str, **options: Any) -> Client:
        """A caller that shows a certificate and bears a token."""
        addresses = Addresses(**{role: address for role, address in self.addresses.items() if role != "ingest"})
        return Client(addresses, token=token, **({"tls": self.tls, "timeout_s": 60} | options))

    def channel(self, role: str) -> grpc.Channel:
        """A connection to a role, by somebody with a certificate and no token."""
        return grpc.secure_channel(self.addresses[role], self.tls.credentials())


def issue(authority: Authority, directory: Path) -> Tls:
    """A certificate of an authority, to be shown where ours is believed."""
    directory.mkdir()
    certificate, key = authority.issue(directory, "127.0.0.1", "attune.example")
    return Tls(authority.write(directory / "ca.crt"), certificate, key)


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    directory = tmp_path_factory.mktemp("secured")
    tls, issuer = issue(Authority("ours"), directory / "tls"), Issuer()
    settings = written(directory, issuer) | {
        "tls_cert_file": tls.cert_file,
        "tls_key_file": tls.key_file,
        "tls_ca_file": tls.ca_file,
        "tls_client_ca_file": tls.ca_file,
        "log_level": "debug",
        "completion_budget_ms": 10_000,
        "suggestion_budget_ms": 10_000,
    }
    with up(directory, log=directory / "all.log", **settings) as everything:
        found = everything.announced["roles"]
        settings |= {f"{role}_address": found[role] for role in ("embedding", "knowledge", "search")}
        with up(directory, "--role", "suggestion", log=directory / "suggestion.log", **settings) as suggestion:
            yield Secured([everything, suggestion], issuer, tls, directory)


def written(directory: Path, issuer: Issuer) -> dict[str, Any]:
    """The files that say who may come in, and the settings that name them."""
    contents = {
        "tokens.json": json.dumps({STATIC_TOKEN: "acme", HASTY_TOKEN: "hasty"}),
        "keys.json": issuer.key_set.decode(),
        "quotas.json": json.dumps({"hasty": {"calls_per_s": 0.001, "burst": 3}}),
        "role-token": ROLE_TOKEN + "\n",
        "catalog.jsonl": catalog_lines(),
    }
    for name, content in contents.items():
        (directory / name).write_text(content)
    return {
        "tokens_file": directory / "tokens.json",
        "jwks_file": directory / "keys.json",
        "quotas_file": directory / "quotas.json",
        "service_token_file": directory / "role-token",
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
    }


@pytest.fixture(scope="session")
def methods(secured: Secured) -> Iterator[list[Reflected]]:
    """Every method of every service of every role, but of those that are declared open."""
    with ExitStack() as stack:
        yield [
            each for role in ROLES_IN_ORDER for each in reflected_methods(stack.enter_context(secured.channel(role)))
        ]
