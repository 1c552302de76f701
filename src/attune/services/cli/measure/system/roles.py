"""Every role in a process of its own, by the real command line: started, killed, replaced, and ended with the bench."""

import json
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from attune.services.cli.measure.memory import held_mib, resident_mib
from attune.services.cli.measure.own_system import own_system
from attune.services.cli.measure.processes import Child
from attune.services.cli.measure.system.memory import Memory
from attune.services.cli.measure.system.ports import free_ports
from attune.services.cli.system import WAITING
from attune.services.client import Addresses
from attune.services.runtime.config import RoleName
from attune.services.search.kept_rankings import RANKINGS

SURGED = frozenset({RoleName.EMBEDDING, RoleName.SUGGESTION})
"""They keep no files: the new process is up before the old one ends. The others hand their files over."""
FOUND_WITHIN_S = 6.0
"""A caller looks for a server that was away at least every 5 seconds, give or take a fifth (gRPC's jitter)."""
_DRAIN_S = 20
_ENDS_WITHIN_S = 60
_HANDOVER_S = 300
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Window:
    """When a role was not all there, by time.monotonic()."""

    role: RoleName
    began_s: float
    up_s: float
    status: int | None = None
    """What the process before ended with, where it was asked to end."""

    @property
    def seconds(self) -> float:
        """How long."""
        return self.up_s - self.began_s


@dataclass(frozen=True, slots=True)
class _Ports:
    """Where one process listens: calls, and metrics, which a process that takes over must get as well."""

    calls: int
    metrics: int


@dataclass(frozen=True)
class _Running:
    process: Child
    stack: ExitStack
    ports: _Ports

    def wait_until_up(self) -> None:
        """Return when it serves. Raises BenchError where it ends instead."""
        json.loads(self.process.read_line())

    def wait_until_next(self) -> None:
        """Return when it waits for another's end. Raises BenchError where it ends instead."""
        while not self.process.has_logged(WAITING):
            self.process.check_running()
            time.sleep(_LOOK_EVERY_S)


class Roles:
    """The running roles, and where they are found."""

    def __init__(self, place: Path, settings: Mapping[str, str], stack: ExitStack) -> None:
        """Files in `place`; `settings` are of all roles. What is started ends with `stack`."""
        counts = {role: 2 if role in SURGED else 1 for role in RoleName}
        drawn = iter(free_ports(2 * sum(counts.values())))
        self._ports = {role: [_Ports(next(drawn), next(drawn)) for _ in range(count)] for role, count in counts.items()}
        self._place = place
        self._settings = {**settings, **self._common(), "ATTUNE_DATA_DIR": str(place / "data")}
        self._stack = stack
        self._running: dict[RoleName, _Running] = {}
        self._started = 0

    def start(self) -> None:
        """All of them: first those that the others ask. Raises BenchError where one does not start."""
        for wave in ((RoleName.EMBEDDING, RoleName.KNOWLEDGE), (RoleName.INGEST, RoleName.SEARCH, RoleName.SUGGESTION)):
            for role in wave:
                self._running[role] = self._started_at(role, self._ports[role][0])
            for role in wave:
                self._running[role].wait_until_up()

    def kill(self, role: RoleName) -> Window:
        """Kill -9, and a new process in its place, as a supervisor starts it."""
        old, began = self._running[role], time.monotonic()
        old.process.kill()
        old.stack.close()
        self._running[role] = self._started_at(role, old.ports)
        self._running[role].wait_until_up()
        return Window(role, began, time.monotonic())

    def replace(self, role: RoleName) -> Window:
        """As a rolling update does: the new process is up, or ready to take over, before the old one is to end."""
        old = self._running[role]
        ports = next((each for each in self._ports[role] if each != old.ports), old.ports)
        new = self._started_at(role, ports)
        if role in SURGED:
            new.wait_until_up()
            time.sleep(FOUND_WITHIN_S)  # as `minReadySeconds` in Kubernetes: callers find the new one meanwhile
        else:
            new.wait_until_next()
        began = time.monotonic()
        self._running[role] = new
        old.process.ask_to_end()
        status = old.process.end_within(_ENDS_WITHIN_S)
        old.stack.close()
        if role not in SURGED:
            new.wait_until_up()
        return Window(role, began, time.monotonic(), status)

    def memory(self) -> dict[RoleName, Memory]:
        """Of each role's processes."""
        pids = {role: each.process.pid for role, each in self._running.items()}
        return {role: Memory(resident_mib(pid), held_mib(pid)) for role, pid in pids.items()}

    def check_running(self) -> None:
        """Raise BenchError where one has ended that nobody ended."""
        for each in self._running.values():
            each.process.check_running()

    def addresses(self) -> Addresses:
        """Where callers find the services, whichever process runs them."""
        return Addresses(**{str(role): self.address(role) for role in RoleName if role is not RoleName.INGEST})

    def address(self, role: RoleName) -> str:
        """Where a role is found, by gRPC's name for a list of addresses."""
        return "ipv4:" + ",".join(f"127.0.0.1:{each.calls}" for each in self._ports[role])

    def ask_all_to_end(self) -> None:
        """At once, so that the end does not take as long as all of theirs together."""
        for each in self._running.values():
            each.process.ask_to_end()

    def _started_at(self, role: RoleName, ports: _Ports) -> _Running:
        stack = self._stack.enter_context(ExitStack())
        self._started += 1
        log = self._place / f"{role}-{self._started}.log"
        listening = {f"ATTUNE_{role.upper()}_PORT": str(ports.calls), "ATTUNE_METRICS_PORT": str(ports.metrics)}
        process = own_system(f"{role} role", ("--role", role), {**self._settings, **listening}, log)
        return _Running(stack.enter_context(process), stack, ports)

    def _common(self) -> dict[str, str]:
        """How roles are started and ended, and where they find each other; engines are files in the data directory."""
        addressed = (RoleName.EMBEDDING, RoleName.KNOWLEDGE, RoleName.SEARCH, RoleName.SUGGESTION)
        return {
            "ATTUNE_LOG_LEVEL": "info",
            "ATTUNE_SEARCH_RANKINGS_KEPT": str(RANKINGS),
            "ATTUNE_DRAIN_S": str(_DRAIN_S),
            "ATTUNE_HANDOVER_S": str(_HANDOVER_S),
            **{f"ATTUNE_{role.upper()}_ADDRESS": self.address(role) for role in addressed},
        }


@contextmanager
def running_roles(place: Path, settings: Mapping[str, str]) -> Iterator[Roles]:
    """All roles, up; none is left after the `with` block, nor where SIGTERM ends this process meanwhile: it does as
    Ctrl-C. Raises BenchError where one does not start.
    """
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, signal.default_int_handler))
        roles = Roles(place, settings, stack)
        try:
            roles.start()
            yield roles
        finally:
            roles.ask_all_to_end()
