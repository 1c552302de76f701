"""Health checks on a port of their own, in plain text and without credentials: Kubernetes' gRPC probes have neither.

The servers of the roles answer health checks too, to whoever may call them.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from attune.services.runtime.config import Config, ConfigError

LIVENESS = "liveness"
"""The name that is SERVING as long as the process answers. A role that waits for a database is alive, and not ready."""


class Checked(Protocol):
    """A role that is asked how it is."""

    def is_able(self, name: str) -> bool | None:
        """None where it has no such name."""


class HealthPort:
    """The port, listening."""

    def __init__(self, server: grpc.aio.Server, address: str) -> None:
        self.address = address
        self._server = server

    @classmethod
    async def start(cls, config: Config, roles: Sequence[Checked]) -> "HealthPort | None":
        """Listen, and answer for these roles; None where no such port is configured.

        Raises:
            ConfigError: the port is taken.
        """
        if config.health_port < 0:
            return None
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(_Together(roles), server)
        try:
            port = server.add_insecure_port(f"{config.host}:{config.health_port}")
        except RuntimeError as error:
            raise ConfigError(
                f"health cannot be served on {config.host}:{config.health_port}: set ATTUNE_HEALTH_PORT to a free port "
                "(0 takes any, -1 none)"
            ) from error
        await server.start()
        return cls(server, f"{config.host}:{port}")

    async def stop(self) -> None:
        """Answer no more."""
        await self._server.stop(None)


class _Together(health_pb2_grpc.HealthServicer):
    """Serving are those names that every role serves that has them."""

    def __init__(self, roles: Sequence[Checked]) -> None:
        self._roles = roles

    async def Check(  # noqa: N802 - gRPC's name
        self, request: health_pb2.HealthCheckRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> health_pb2.HealthCheckResponse:
        if request.service == LIVENESS:
            return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
        told = [able for each in self._roles if (able := each.is_able(request.service)) is not None]
        if not told:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no role of this process has a health check of that name")
        status = health_pb2.HealthCheckResponse.SERVING if all(told) else health_pb2.HealthCheckResponse.NOT_SERVING
        return health_pb2.HealthCheckResponse(status=status)
