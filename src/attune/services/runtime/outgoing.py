"""Calls to other services: one channel per address, the rest of the caller's deadline, for the caller's tenant."""

import json
from typing import Any, TypedDict

import grpc

from attune.services.runtime.call import current_call
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.security.certificates import CertificateFiles, RenewedFiles
from attune.services.runtime.security.renewed_channel import RenewedChannel
from attune.services.runtime.security.transport import (
    channel_credentials,
    name_options,
    require_safe_address,
    uses_tls,
)
from attune.services.runtime.tracing import carried

# Retried by gRPC itself (service config), for calls that are safe to repeat: all of attune's are. A server that is told
# to end cancels what has arrived and was not taken up yet; a caller's own cancellation is never tried again.
RETRY_POLICY = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ]
}


# A replica that is started again is found within seconds; gRPC would leave it alone for up to two minutes.
RECONNECTING = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Names are looked up again when connections end, one after the other in a rolling update; so often at most.
    ("grpc.dns_min_time_between_resolutions_ms", 2_000),
)


class CallOptions(TypedDict):
    """Keyword arguments of a stub's method."""

    timeout: float
    metadata: tuple[tuple[str, str], ...]


def connect(config: Config, role: RoleName) -> grpc.aio.Channel:
    """A channel that balances over the addresses behind a role's name, retries, and notices dead peers.

    Raises:
        ConfigError: a certificate's file is wrong, or plain text would go to another machine.
    """
    address = config.address(role)
    options = [*_options(config), *name_options(config.tls_server_name)]
    if not uses_tls(config):
        require_safe_address(address, allow_plaintext=config.allow_plaintext)
        return grpc.aio.insecure_channel(address, options)
    files = RenewedFiles(CertificateFiles.of_client(config), channel_credentials)
    return RenewedChannel(files, lambda credentials: grpc.aio.secure_channel(address, credentials, options))


def _options(config: Config) -> list[tuple[str, Any]]:
    return [
        ("grpc.service_config", json.dumps(RETRY_POLICY)),
        ("grpc.lb_policy_name", "round_robin"),
        *RECONNECTING,
        ("grpc.max_send_message_length", config.max_message_bytes),
        ("grpc.max_receive_message_length", config.max_message_bytes),
    ]


def onward(limit_s: float | None = None) -> CallOptions:
    """Options for a call made on behalf of the current one: what is left of its deadline, and its tenant."""
    call = current_call()
    remaining = call.remaining_s()
    timeout = remaining if limit_s is None else min(remaining, limit_s)
    return {"timeout": timeout, "metadata": (*call.onward, *carried())}
