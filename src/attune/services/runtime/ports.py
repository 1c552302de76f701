"""Whether a server can listen at an address, asked before anything is built that would be in vain."""

import errno
import socket
from collections.abc import Iterable

from attune.services.runtime.config import Config, ConfigError, RoleName


def require_free_ports(config: Config, roles: Iterable[RoleName]) -> None:
    """Refuse to start roles that could not listen, or metrics that could not be served.

    Raises:
        ConfigError: a port is taken, or the host is none of this machine's.
    """
    for role in roles:
        require_free_port(config, role)
    if config.metrics_port >= 0:
        _require_free(config.host, config.metrics_port, "metrics", "ATTUNE_METRICS_PORT", "0 takes any, -1 none")
    if config.health_port >= 0:
        _require_free(config.host, config.health_port, "health", "ATTUNE_HEALTH_PORT", "0 takes any, -1 none")


def require_free_port(config: Config, role: RoleName) -> None:
    """The same for one role, just before it listens: gRPC would write a line of its own log before it refuses.

    Raises:
        ConfigError: the port is taken, or the host is none of this machine's.
    """
    _require_free(config.host, config.port(role), f"the {role} role", f"ATTUNE_{role.upper()}_PORT", "0 takes any")


def _require_free(host: str, port: int, what: str, setting: str, also: str) -> None:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        refusals = [refusal for each in addresses if (refusal := _refusal(each[0], each[4]))]
    except OSError as error:
        raise ConfigError(f"ATTUNE_HOST: {host} is no address of this machine ({error.strerror})") from error
    for refusal in refusals:
        if refusal.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"{what} cannot listen on {host}:{port}, which is taken: set {setting} to a free port ({also})"
            )
    if len(refusals) == len(addresses):  # a name may stand for an IPv6 address too, on a machine without
        raise ConfigError(
            f"{what} cannot listen on {host}:{port} ({refusals[0].strerror}): "
            f"set ATTUNE_HOST to an address of this machine and {setting} to a free port ({also})"
        )


def _refusal(family: int, address: tuple[str | int | bytes, ...]) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC: a port just left is free
            probe.bind(address)
    except OSError as error:
        return error
    return None
