"""A gRPC server with what every role has: health, reflection, the call interceptor, a graceful end."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from attune.services.runtime.config import Config, ConfigError, RoleName
from attune.services.runtime.interceptor import CallInterceptor, Deadlines
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.ports import require_free_port
from attune.services.runtime.security.authenticator import Authenticator
from attune.services.runtime.security.quotas import Quotas
from attune.services.runtime.security.transport import require_safe_anonymity, server_credentials

_log = structlog.get_logger("attune.server")


async def _nothing() -> None:
    """A role that holds nothing open."""


def _always_able(_listener: Callable[[bool], None]) -> None:
    """A role that can answer as long as it runs."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a role adds to a server: its services, and how it ends."""

    name: RoleName
    services: Sequence[str] = ()
    """Full names of its gRPC services, for health and reflection."""
    register: Callable[[grpc.aio.Server], None] = lambda _server: None
    close: Callable[[], Awaitable[None]] = field(default=_nothing)
    watch: Callable[[Callable[[bool], None]], None] = field(default=_always_able)
    """Has a listener told, whenever that changes, whether the role can answer."""
    watched: Sequence[str] | None = None
    """Names of health checks that this is told of; None: of all there are. What is named here and is no service is a
    part of the role that may be unable to work while its services answer.
    """


class RoleServer:
    """A role, listening."""

    def __init__(self, role: Role, server: grpc.aio.Server, healthy: health.aio.HealthServicer, address: str) -> None:
        self.role = role
        self.address = address
        self._server = server
        self._health = healthy
        self._able: dict[str, bool] = {}
        self._reports: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, role: Role, config: Config, metrics: Metrics) -> "RoleServer":
        """Listen, and report SERVING once everything is in place.

        Raises:
            ConfigError: the port is taken, the address is not this machine's, or what protects it is missing or wrong.
        """
        authenticator = Authenticator.of(config, metrics.count_key_reading)
        require_safe_anonymity(config, has_credentials=authenticator.is_required)
        interceptor = CallInterceptor(authenticator, _deadlines(config), metrics, Quotas.of(config))
        server = grpc.aio.server(interceptors=[interceptor], options=_options(config))
        role.register(server)
        healthy = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
        names = (*role.services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        serving = cls(role, server, healthy, _bind(server, config, role.name))
        await serving._serve()
        role.watch(serving.report)
        _log.info("serving", role=role.name, address=serving.address)
        return serving

    async def _serve(self) -> None:
        """Serve, or, when cancelled meanwhile, start to the end and stop: gRPC's own loop fails where it is not."""
        starting = asyncio.ensure_future(self._server.start())
        try:
            await asyncio.shield(starting)
            await self._tell_health(("", *self.role.services, *(self.role.watched or ())), able=True)
        except BaseException:
            await starting
            await self._server.stop(None)
            raise

    def report(self, able: bool) -> None:
        """Let the health checks say whether the role can answer."""
        _log.warning("able to work again" if able else "not able to work", role=self.role.name, of=self.role.watched)
        names = ("", *self.role.services) if self.role.watched is None else self.role.watched
        task = asyncio.get_running_loop().create_task(self._tell_health(names, able=able))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    def is_able(self, name: str) -> bool | None:
        """What a health check of that name is told; None where there is no such name."""
        return self._able.get(name)

    async def stop(self, drain_s: float) -> None:
        """Say so to the health checks, let the calls in flight end, then close what the role holds."""
        self._able = dict.fromkeys(self._able, False)
        await self._health.enter_graceful_shutdown()
        await self._server.stop(drain_s)
        await self.role.close()
        _log.info("stopped", role=self.role.name)

    async def _tell_health(self, names: Iterable[str], *, able: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if able else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in names:
            self._able[name] = able
            await self._health.set(name, status)


def _deadlines(config: Config) -> Deadlines:
    return Deadlines(config.default_deadline_s, config.stream_deadline_s)


def _options(config: Config) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_send_message_length", config.max_message_bytes),
        # A caller that is connected to all replicas that it knows looks for others only when it has to connect anew.
        ("grpc.max_connection_age_ms", math.ceil(1000 * config.connection_age_s)),
        # Callers ask every 30 seconds whether a connection with calls lives; unless told, gRPC takes that for abuse.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake, not a helper
        # A call that is not taken up in 30 seconds is dropped with CANCELLED, which nobody tries again; among hundreds
        # of streams on a busy machine it takes longer. How long is worth waiting, the caller's deadline says.
        ("grpc.server_max_unrequested_time_in_server", math.ceil(config.stream_deadline_s)),
    ]


def _bind(server: grpc.aio.Server, config: Config, role: RoleName) -> str:
    credentials = server_credentials(config)
    require_free_port(config, role)
    wanted = f"{config.host}:{config.port(role)}"
    try:
        port = server.add_secure_port(wanted, credentials) if credentials else server.add_insecure_port(wanted)
    except RuntimeError as error:  # somebody was faster, or holds the port without listening
        raise ConfigError(
            f"the {role} role cannot listen on {wanted}: set ATTUNE_{role.upper()}_PORT to a free port (0 takes any)"
        ) from error
    return f"{config.host}:{port}"
