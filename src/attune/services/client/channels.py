"""Channels of the client: one per service, opened when first needed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.outgoing import RECONNECTING, RETRY_POLICY
from attune.services.runtime.security.certificates import CertificateFiles, Certificates
from attune.services.runtime.security.transport import (
    channel_credentials,
    name_options,
    require_safe_address,
    uses_tls,
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the services are."""

    embedding: str = "127.0.0.1:50051"
    knowledge: str = "127.0.0.1:50052"
    suggestion: str = "127.0.0.1:50054"
    search: str = "127.0.0.1:50055"

    @classmethod
    def of(cls, config: Config) -> "Addresses":
        """The addresses that a configuration names."""
        return cls(
            embedding=config.address(RoleName.EMBEDDING),
            knowledge=config.address(RoleName.KNOWLEDGE),
            suggestion=config.address(RoleName.SUGGESTION),
            search=config.address(RoleName.SEARCH),
        )


@dataclass(frozen=True, slots=True)
class Tls:
    """An encrypted way to the services, by PEM files. They are read once: make a new client where they are replaced."""

    ca_file: Path | None = None
    """Certificates that sign those of the servers; without it, the public ones that come with gRPC."""
    cert_file: Path | None = None
    """The caller's own, where the servers want one."""
    key_file: Path | None = None
    server_name: str = ""
    """The name in the servers' certificates, where it is not the one that they are called by."""

    @classmethod
    def of(cls, config: Config) -> "Tls | None":
        """As configured; None: plain text."""
        if not uses_tls(config):
            return None
        return cls(config.tls_ca_file, config.tls_cert_file, config.tls_key_file, config.tls_server_name)

    def credentials(self) -> grpc.ChannelCredentials:
        """As gRPC has it.

        Raises:
            ConfigError: a file is wrong.
        """
        return channel_credentials(Certificates.read(CertificateFiles(self.cert_file, self.key_file, self.ca_file)))


class Channels:
    """The open channels, by address."""

    def __init__(
        self,
        max_message_bytes: int,
        *,
        tls: Tls | None = None,
        allow_plaintext: bool = False,
        wait_for_ready: bool = False,
    ) -> None:
        self._options: list[tuple[str, Any]] = [
            ("grpc.service_config", json.dumps(_service_config(wait_for_ready=wait_for_ready))),
            *RECONNECTING,
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
            *name_options(tls.server_name if tls else ""),
        ]
        self._credentials = tls.credentials() if tls else None
        self._allow_plaintext = allow_plaintext
        self._open: dict[str, grpc.Channel] = {}

    def to(self, address: str) -> grpc.Channel:
        """The channel to an address.

        Raises:
            ConfigError: plain text would go to another machine.
        """
        if address not in self._open:
            self._open[address] = self._opened(address)
        return self._open[address]

    def _opened(self, address: str) -> grpc.Channel:
        if self._credentials:
            return grpc.secure_channel(address, self._credentials, self._options)
        require_safe_address(address, allow_plaintext=self._allow_plaintext)
        return grpc.insecure_channel(address, self._options)

    def close(self) -> None:
        """Close them all."""
        for channel in self._open.values():
            channel.close()
        self._open.clear()


def _service_config(*, wait_for_ready: bool) -> dict[str, Any]:
    """The roles' own policy; and whether a call waits, until its deadline, where no server is."""
    return {"methodConfig": [{**each, "waitForReady": wait_for_ready} for each in RETRY_POLICY["methodConfig"]]}
