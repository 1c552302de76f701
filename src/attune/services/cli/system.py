"""Roles in one process: each on a gRPC server of its own, found by the others at its address."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from attune.services.runtime.clock import Clock
from attune.services.runtime.config import Config, RoleName
from attune.services.runtime.data_directory import DataDirectory, DirectoryInUseError
from attune.services.runtime.health_port import HealthPort
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.ports import require_free_ports
from attune.services.runtime.security.ages import publish_expiry
from attune.services.runtime.security.starting import arranged
from attune.services.runtime.server import Role, RoleServer

Builder = Callable[[Config, Metrics, Clock], Awaitable[Role]]
_log = structlog.get_logger("attune.system")
_LOOK_EVERY_S = 0.02
WAITING = "waiting for the process before to end"
"""What a start logs that could begin at once if the files were free: whoever watches it must not take it for stuck."""


class System:
    """The running roles."""

    def __init__(
        self, config: Config, metrics: Metrics, servers: Sequence[RoleServer], directory: DataDirectory
    ) -> None:
        self.config = config
        """The settings, with the addresses that the roles really got."""
        self.metrics = metrics
        self.servers = servers
        self.health: HealthPort | None = None
        """Where probes ask, once all roles are up."""
        self._directory = directory

    async def stop(self) -> None:
        """End the roles in the reverse order of their start: nobody loses a service that they need."""
        try:
            for server in reversed(self.servers):
                await server.stop(self.config.drain_s)
            if self.health:
                await self.health.stop()
        finally:
            # Before another process can have the directory: it looks for free ports next.
            await asyncio.to_thread(self.metrics.close)
            self._directory.release()


async def start_system(
    config: Config, roles: Sequence[RoleName], clock: Clock, starting: Callable[[RoleName], None] = lambda _role: None
) -> System:
    """Start roles one after the other, each when those it needs are serving. `starting` hears of each.

    What would be refused at the end is refused at once: a data directory in use after `handover_s`, and a taken port.

    Raises:
        ConfigError, ModelError, CatalogError, StoreError, EventLogError, IndexMismatch: what the role cannot start
            without.
    """
    config = arranged(config, roles)
    metrics = Metrics()
    publish_expiry(config, metrics)
    servers: list[RoleServer] = []
    directory = await _locked(config, roles)
    try:
        require_free_ports(config, roles)
        for name in (each for each in RoleName if each in roles):
            starting(name)
            role = await BUILDERS[name](config, metrics, clock)
            server = await _listening(role, config, metrics)
            servers.append(server)
            config = config.at_address(name, server.address)
        system = System(config, metrics, servers, directory)
        system.health = await HealthPort.start(config, servers)
    except BaseException:
        await asyncio.shield(System(config, metrics, servers, directory).stop())
        raise
    return system


async def _locked(config: Config, roles: Sequence[RoleName]) -> DataDirectory:
    """The data directory. While another process has it, what takes a start the longest is done: modules are read."""
    try:
        return DataDirectory.lock(config, roles)
    except DirectoryInUseError:
        if not config.handover_s:
            raise
    await asyncio.to_thread(_read_modules, roles)
    _log.warning(WAITING, roles=[str(each) for each in roles])
    loop = asyncio.get_running_loop()
    until = loop.time() + config.handover_s
    while True:
        try:
            return DataDirectory.lock(config, roles)
        except DirectoryInUseError:
            if loop.time() >= until:
                raise
        await asyncio.sleep(_LOOK_EVERY_S)


def _read_modules(roles: Sequence[RoleName]) -> None:
    for role in roles:
        importlib.import_module(f"attune.services.{role}.main")


async def _listening(role: Role, config: Config, metrics: Metrics) -> RoleServer:
    try:
        return await RoleServer.start(role, config, metrics)
    except BaseException:
        await role.close()  # it holds files and locks already
        raise


# Imported when built: a process carries only what its roles need (torch is the embedding role's alone).


async def _embedding(config: Config, metrics: Metrics, _clock: Clock) -> Role:
    from attune.services.embedding.main import build

    return await build(config, metrics)


async def _knowledge(config: Config, _metrics: Metrics, clock: Clock) -> Role:
    from attune.services.knowledge.main import build

    return await build(config, clock=clock)


async def _ingest(config: Config, metrics: Metrics, clock: Clock) -> Role:
    from attune.services.ingest.main import build

    return await build(config, metrics, clock=clock)


async def _search(config: Config, metrics: Metrics, clock: Clock) -> Role:
    from attune.services.search.main import build

    return await build(config, metrics, clock=clock)


async def _suggestion(config: Config, metrics: Metrics, clock: Clock) -> Role:
    from attune.services.suggestion.main import build

    return await build(config, metrics, clock=clock)


BUILDERS: Mapping[RoleName, Builder] = {
    RoleName.EMBEDDING: _embedding,
    RoleName.KNOWLEDGE: _knowledge,
    RoleName.INGEST: _ingest,
    RoleName.SEARCH: _search,
    RoleName.SUGGESTION: _suggestion,
}
