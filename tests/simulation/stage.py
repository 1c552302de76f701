"""Where a schedule is played: virtual time, processes that are killed, refused or stalled, and an account of it all.

Nothing runs at the same time. A process that stalls is one in whose midst the others' actions are run, and which then
goes on as if nothing had happened.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from tests.simulation.faults import COMMITTING, Killed, Reach, weight_of
from tests.simulation.group import Member
from tests.simulation.schedule import Schedule

from attune.knowledge_store.store import StoreBusyError
from attune.services.ingest.worker import IngestWorker

_BEGINNING = datetime(2026, 11, 3, tzinfo=UTC)
_MOST_NESTED = 3


@dataclass(slots=True, eq=False)
class Process:
    """Something that can die: a worker, or whoever carries out a user's wish."""

    name: str
    stalled: bool = False
    """Whether it slept within what it does now."""
    is_dead: bool = False
    worker: IngestWorker | None = None
    member: Member | None = None


class Stage(ABC):
    """`tell` hears, line by line, what happens."""

    def __init__(self, seed: int, tell: Callable[[str], None]) -> None:
        self.happened: Counter[str] = Counter()
        self._random = Random(seed)  # noqa: S311 - a schedule, not a secret
        self._schedule = Schedule.drawn(self._random)
        self._tell = tell
        self._now = _BEGINNING
        self._calm = False
        """Whether nothing fails."""
        self._refusals = 0
        """How often the store is still going to refuse."""
        self._running: list[Process] = []
        """What runs, within what is stalled."""
        self._made = 0

    @abstractmethod
    def _stall(self, process: Process, place: str) -> None:
        """Run what others do while the process sleeps. May kill it at last."""

    def _reach(self, process: Process, place: str) -> None:
        """A process comes to a place. See faults.Reach."""
        if self._calm:
            return
        if self._refusals and ("before store" in place or place in COMMITTING):
            self._refusals -= 1
            raise StoreBusyError("the store is busy: try again")
        weight = weight_of(place) * (1 if process.worker else 4)  # few wishes are being carried out
        if self._random.random() < self._schedule.kills * weight:
            self._note(f"killed {place}", process)
            raise Killed
        sleeps = self._random.random() < self._schedule.stalls * weight
        if sleeps and place not in COMMITTING and len(self._running) < _MOST_NESTED:
            self._stall(process, place)

    def _process(self, kind: str) -> Process:
        self._made += 1
        return Process(f"{kind}-{self._made}")

    def _reach_of(self, process: Process) -> Reach:
        return lambda place: self._reach(process, place)

    @contextmanager
    def _run(self, process: Process) -> Iterator[None]:
        """What the process does in the block, until it is killed or refused."""
        self._running.append(process)
        process.stalled = False
        try:
            yield
        except Killed:
            process.is_dead = True
        except StoreBusyError:
            self._note("refused", process)
        finally:
            self._running.pop()

    @contextmanager
    def _without_faults(self) -> Iterator[None]:
        before, self._calm = self._calm, True
        try:
            yield
        finally:
            self._calm = before

    def _pass_time(self, milliseconds: int) -> None:
        self._now += timedelta(milliseconds=milliseconds)

    def _clock(self) -> datetime:
        return self._now

    def _monotonic(self) -> float:
        return (self._now - _BEGINNING).total_seconds()

    def _say(self, line: str) -> None:
        self._tell(f"{self._monotonic():7.3f} s  {'  ' * len(self._running)}{line}")

    def _note(self, what: str, process: Process | None = None, more: str = "") -> None:
        self.happened[what] += 1
        self._say(" ".join(each for each in (process.name if process else "", what, more) if each))
