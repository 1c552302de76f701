"""Mixed traffic: users who type, search, read, ask for suggestions, and documents that change meanwhile."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import grpc

from attune.services.cli.measure.system.calls import SHARES, Asking, Material, stages_of
from attune.services.cli.measure.system.ledger import Ledger, RefusedEventsError
from attune.services.client import Client

OK = "OK"
REFUSED = "REFUSED"
"""Events or documents that a stream took, and refused one by one."""
_JOIN_S = 60


@dataclass(frozen=True, slots=True)
class Call:
    """What became of a call; seconds are of time.monotonic()."""

    kind: str
    started_s: float
    ended_s: float
    code: str = OK
    stages: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds by stage, where the answer tells them."""

    @property
    def ms(self) -> float:
        """How long it took."""
        return 1000 * (self.ended_s - self.started_s)


@dataclass(frozen=True)
class Offered:
    """How much traffic there is: `rate` calls a second by `together` threads; fewer where all are busy."""

    rate: float
    together: int
    seed: int = 0


class _Pace:
    """Hands out the moments of calls, evenly."""

    def __init__(self, rate: float) -> None:
        self._gap_s = 1 / rate
        self._due_s = time.monotonic()
        self._lock = threading.Lock()

    def next_s(self) -> float:
        """When the next call is due. What was missed is not made up for: callers do not all come back at once."""
        with self._lock:
            self._due_s = max(self._due_s + self._gap_s, time.monotonic())
            return self._due_s


class Traffic:
    """Threads that call until they are stopped."""

    def __init__(
        self, client: Client, material: Material, ledger: Ledger, offered: Offered, shares: Mapping[str, int] = SHARES
    ) -> None:
        self.calls: list[Call] = []
        self._client = client
        self._material = material
        self._ledger = ledger
        self._shares = shares
        self._pace = _Pace(offered.rate)
        self._ended = threading.Event()
        self._broken: list[BaseException] = []
        randoms = (Random(f"{offered.seed}-{number}") for number in range(offered.together))  # noqa: S311 - no secret
        self._threads = [threading.Thread(target=self._run, args=(random,), daemon=True) for random in randoms]

    @property
    def is_broken(self) -> bool:
        """Whether a thread has ended by a mistake of the bench."""
        return bool(self._broken)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Under traffic. Raises at the end what is no answer of a service, but a mistake of the bench."""
        for each in self._threads:
            each.start()
        try:
            yield
        finally:
            self._ended.set()
            for each in self._threads:
                each.join(_JOIN_S)
        for error in self._broken:
            raise error

    def _run(self, random: Random) -> None:
        asking = Asking(self._client, self._material, self._ledger, random)
        kinds, weights = list(self._shares), list(self._shares.values())
        try:
            while not self._ended.wait(max(0.0, self._pace.next_s() - time.monotonic())):
                self.calls.append(_called(asking, random.choices(kinds, weights)[0]))
        except Exception as error:  # noqa: BLE001 - told where the traffic ends
            self._broken.append(error)


def _called(asking: Asking, kind: str) -> Call:
    started = time.monotonic()
    try:
        answer = asking.ask(kind)
    except grpc.RpcError as error:
        call: Any = error  # what stubs raise is a grpc.Call too, which their types do not say
        return Call(kind, started, time.monotonic(), str(call.code().name))
    except RefusedEventsError:
        return Call(kind, started, time.monotonic(), REFUSED)
    return Call(kind, started, time.monotonic(), OK, stages_of(answer))


def between(calls: Sequence[Call], began_s: float, ended_s: float) -> list[Call]:
    """Those that were under way at any moment of a time."""
    return [each for each in calls if each.started_s <= ended_s and each.ended_s >= began_s]
