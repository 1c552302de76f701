"""The faults: each begins, lasts as long as it must, and is over."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from random import Random

from tests.fakes.kafka import until
from tests.faults.site import Site
from tests.faults.worker_process import Worker

MOST_WORKERS = 4
_JOINED_S = 120.0
_TWO_AT_ONCE = 0.3


class Fault(ABC):
    """One of those that are drawn. `victims` are workers that something may happen to: one that it does is taken."""

    kind = ""

    def __init__(self, site: Site, victims: list[Worker], random: Random) -> None:  # noqa: ARG002 - for some kinds
        self._site = site

    @abstractmethod
    def begin(self) -> None:
        """Do the harm."""

    @abstractmethod
    def end(self) -> None:
        """Undo what does not undo itself; return when it is undone."""


class OfWorker(Fault):
    """A fault of one of the workers."""

    def __init__(self, site: Site, victims: list[Worker], random: Random) -> None:
        super().__init__(site, victims, random)
        self._worker = victims.pop()


class Killed(OfWorker):
    """Kill -9."""

    kind = "worker killed"

    def begin(self) -> None:
        self._worker.kill()

    def end(self) -> None:
        """Who is dead stays so."""


class Paused(OfWorker):
    """One that sleeps for longer than the group waits for it, and then goes on where it was."""

    kind = "worker paused"

    def begin(self) -> None:
        self._worker.pause()

    def end(self) -> None:
        self._worker.wake()


class Left(OfWorker):
    """One that is asked to stop."""

    kind = "worker left"

    def begin(self) -> None:
        self._worker.ask_to_stop()

    def end(self) -> None:
        self._worker.wait()


class Joined(Fault):
    """One more worker."""

    kind = "worker joined"

    def begin(self) -> None:
        self._worker = self._site.start_worker()

    def end(self) -> None:
        """One that ended at its start, since what it needs was away, is started again, as a supervisor does it."""
        until(self._is_member, limit_s=_JOINED_S)

    def _is_member(self) -> bool:
        if not self._worker.is_alive:
            self._worker.is_wanted = False
            self._worker = self._site.start_worker()
        return self._worker.is_member


class BrokerKilled(Fault):
    """Kill -9 of a broker, which is started again."""

    kind = "broker restarted"

    def __init__(self, site: Site, victims: list[Worker], random: Random) -> None:
        super().__init__(site, victims, random)
        self._broker = random.choice(site.cluster.brokers)

    def begin(self) -> None:
        self._broker.kill()

    def end(self) -> None:
        self._broker.start()
        self._site.cluster.wait()


class DatabaseRestarted(Fault):
    """The database ends as in a crash, and recovers."""

    kind = "database restarted"

    def begin(self) -> None:
        if self._site.database is not None:
            self._site.database.restart()

    def end(self) -> None:
        """It has."""


_WEIGHTS: Mapping[type[Fault], int] = {
    Killed: 3,
    Paused: 3,
    Left: 2,
    Joined: 4,
    BrokerKilled: 1,
    DatabaseRestarted: 2,
}


def drawn(site: Site, workers: Collection[Worker], random: Random) -> list[Fault]:
    """One fault, or two at once, in the order in which they can end. Of the workers, which are those that live, one is
    spared.
    """
    victims = random.sample(list(workers), len(workers) - 1)
    possible = dict(_WEIGHTS)
    if len(workers) >= MOST_WORKERS:
        del possible[Joined]
    if site.database is None:
        del possible[DatabaseRestarted]
    faults: list[Fault] = []
    for _ in range(2 if random.random() < _TWO_AT_ONCE else 1):
        ways = {way: weight for way, weight in possible.items() if victims or not issubclass(way, OfWorker)}
        [way] = random.choices(list(ways), list(ways.values()))
        faults.append(way(site, victims, random))
        del possible[way]
    return sorted(faults, key=lambda each: isinstance(each, Joined))  # who joins needs all that is to come back
