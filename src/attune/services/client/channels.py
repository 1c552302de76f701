"""Channels of the client: one per service, opened when first needed."""

import json
from dataclasses import dataclass

import grpc

from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.outgoing import RETRY_POLICY


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


class Channels:
    """The open channels, by address."""

    def __init__(self, max_message_bytes: int) -> None:
        self._options = [
            ("grpc.service_config", json.dumps(RETRY_POLICY)),
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
        ]
        self._open: dict[str, grpc.Channel] = {}

    def to(self, address: str) -> grpc.Channel:
        """The channel to an address."""
        if address not in self._open:
            self._open[address] = grpc.insecure_channel(address, options=self._options)
        return self._open[address]

    def close(self) -> None:
        """Close them all."""
        for channel in self._open.values():
            channel.close()
        self._open.clear()
