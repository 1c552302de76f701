"""One schedule from its seed to its end: workers over one store and one log, and all that can happen to them."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.broker import Broker
from tests.simulation.engine import Engine
from tests.simulation.faults import (
    Killed,
    ReachedLog,
    ReachedStore,
    position_of,
)
from tests.simulation.group import Group, Member
from tests.simulation.stage import Process, Stage
from tests.simulation.traffic import DOCUMENTS, ENTITIES, USERS, Traffic

from attune.knowledge_store.consent import Purpose
from attune.knowledge_store.model import UserKey
from attune.knowledge_store.store import StoreBusyError
from attune.services.ingest.settings import IngestSettings
from attune.services.ingest.worker import IngestWorker, prepare
from attune.services.knowledge.consenting import Consenting
from attune.services.knowledge.forgetting import Forgetting
from attune.services.runtime.consuming.dead_letter_limit import DeadLetterLimit
from attune.services.runtime.eventlog.consumer import Owner, Source
from attune.services.runtime.events import TOPIC
from attune.services.runtime.objects import append_objects
from attune.services.runtime.removals import REMOVALS_TOPIC

_MOST_WORKERS = 4
_ANY_NUMBER = DeadLetterLimit(ratio=1)


class Stuck(Exception):  # noqa: N818 - it is what the system is
    """Nothing fails any more, and yet not all of the log reaches the store."""


@dataclass(frozen=True, slots=True)
class Wish:
    """To be forgotten, wholly or in one entity."""

    user: UserKey
    entity_id: str = ""


class World(Stage):
    """Runs one schedule. `tell` hears, line by line, what happens."""

    def __init__(self, seed: int, engine: Engine, tell: Callable[[str], None]) -> None:
        super().__init__(seed, tell)
        self._engine = engine
        self._started: list[Process] = []
        self._wishes: list[Wish] = []
        self.excused: set[str] = set()
        """Of which records the dead letters may be gone; see `_excuse`."""
        self._store = engine.store
        self._store.wipe()
        self._store.committing = lambda place: self._reach(self._running[-1], place) if self._running else None
        self._store.fenced = self._fenced
        self.broker = Broker(
            self._schedule.partitions,
            ahead=self._schedule.log_ahead,
            erases=self._schedule.log_erases,
            compacted=[REMOVALS_TOPIC],
        )
        self._group = Group(self.broker, TOPIC, self._random, self._note)
        self._group.failing_commits = self._schedule.failing_commits
        self.traffic = Traffic(self.broker, self._random, self._clock, self._note)
        tell(f"{self._schedule}")

    @property
    def log_erases(self) -> bool:
        """Whether the log redacts in all topics."""
        return self._schedule.log_erases

    def run(self) -> None:
        """All actions of the schedule, and then without faults to the log's end.

        Raises Stuck, and whatever the system raises that it should not.
        """
        append_objects(self.broker, "acme", DOCUMENTS, self._now)
        self._start_worker()
        for _ in range(self._schedule.actions):
            self._act()
        for _ in range(self._schedule.actions // 2):
            self._act_mildly()
        self._finish()

    # What is drawn

    def _act(self) -> None:
        """What erases is drawn seldom: it takes with it what else would show that something went wrong before."""
        self._pass_time(self._random.randint(1, 400))
        actions = {
            self._step: 80,
            self.traffic.send: 40,
            self._group.rebalance: 6,
            self._expel: 6,
            self._deafen: 6,
            self._rewind: 4,
            self._start_worker: 8,
            self._stop_worker: 2,
            self._refuse: 3,
            self._wish: 2,
            self._choose: 2,
            self._lose_store: 1,
        }
        self._draw(actions)()

    def _act_mildly(self) -> None:
        """Without anything new in the log: while a wish is being carried out, a log that erases would lose it."""
        self._pass_time(self._random.randint(1, 400))
        self._draw({self._step: 40, self._group.rebalance: 3, self._expel: 3, self._deafen: 3, self._start_worker: 6})()

    def _draw(self, actions: dict[Callable[[], None], int]) -> Callable[[], None]:
        return self._random.choices(list(actions), list(actions.values()))[0]

    def _stall(self, process: Process, place: str) -> None:
        self._note(f"stalled {place}", process)
        process.stalled = True
        if process.member in self._group.members and self._random.random() < 0.6:
            self._group.remove(process.member)
        act = self._act_mildly if any(each.worker is None for each in self._running) else self._act
        if act == self._act and self._random.random() < 0.1:
            self._wish()
        for _ in range(self._random.randint(1, 10)):
            act()
        if self._random.random() < 0.15:
            self._note("killed while stalled", process)
            raise Killed
        self._say(f"{process.name} goes on {place}")

    # Workers

    def _start_worker(self) -> None:
        if len(self._workers) >= _MOST_WORKERS:
            return
        process = self._process("worker")
        store = self._engine.knowledge(ReachedStore(self._store, self._reach_of(process)))
        log = ReachedLog(self.broker, self._reach_of(process), self._excuse)

        def consumer(_topic: str, owner: Owner) -> Member:
            process.member = Member(self._group, owner, self._reach_of(process))
            return process.member

        settings = IngestSettings(self._schedule.limits, dead_letters=_ANY_NUMBER)
        process.worker = IngestWorker(
            Source(log, consumer), store, self._clock, self._engine.metrics, settings, self._monotonic
        )
        self._started.append(process)
        self._say(f"{process.name} starts")
        with self._run(process):
            try:
                prepare(log, store.store)
            except StoreBusyError:
                self._leave(process)

    def _stop_worker(self) -> None:
        if idle := self._idle():
            self._leave(self._random.choice(idle))

    def _step(self) -> None:
        if idle := self._idle():
            self._step_of(self._random.choice(idle))

    def _step_of(self, process: Process) -> None:
        with self._run(process):
            applied = process.worker.step(0)
            if applied:
                self._say(f"{process.name} has applied {applied} records")

    @property
    def _workers(self) -> list[Process]:
        return [each for each in self._started if not each.is_dead]

    def _idle(self) -> list[Process]:
        return [each for each in self._workers if each not in self._running]

    def _leave(self, process: Process) -> None:
        self._say(f"{process.name} stops")
        process.is_dead = True
        process.worker.stop()

    def _fenced(self) -> None:
        process = self._running[-1]
        self._note("fenced after a stall" if process.stalled else "fenced", process)

    def _excuse(self, topic: str, key: bytes) -> None:
        """A worker redacts by key what it had set aside when its user was forgotten: newer dead letters go with it."""
        self._note("dead letters redacted by a worker")
        self.excused |= {position_of(each) for each in self.broker.everything(topic) if each.key == key}

    # The group

    def _expel(self) -> None:
        if self._group.members:
            self._note("member expelled")
            self._group.remove(self._random.choice(self._group.members))

    def _deafen(self) -> None:
        if idle := self._idle():
            self._random.choice(idle).member.deaf = self._random.randint(1, 5)

    def _rewind(self) -> None:
        if idle := self._idle():
            self._note("offsets reset to an older commit")
            self._random.choice(idle).member.rewind()

    # The store

    def _refuse(self) -> None:
        self._note("store refuses")
        self._refusals = self._random.randint(1, 6)

    def _lose_store(self) -> None:
        """It is lost, and built again: all processes but those that sleep are ended, and the first new one restores."""
        if self._wishes or any(each.worker is None for each in self._running):
            return
        self._note("store lost")
        self._store.wipe()
        for each in self._idle():
            self._leave(each)
        with self._without_faults():
            prepare(self.broker, self._store)
        self._start_worker()

    # Users

    def _wish(self) -> None:
        entity_id = self._random.choice(ENTITIES) if self._random.random() < 0.4 else ""
        self._grant(Wish(self._random.choice(USERS), entity_id))

    def _grant(self, wish: Wish) -> None:
        """Who is not heard to the end asks again."""
        process = self._process("forgetting")
        reach = self._reach_of(process)
        log, store = ReachedLog(self.broker, reach), ReachedStore(self._store, reach)
        forgetting = Forgetting(self._engine.knowledge(store), log, self._clock)
        self._note("entity forgotten" if wish.entity_id else "user forgotten", process, f"{wish}")
        self._wishes.append(wish)
        with self._run(process):
            if wish.entity_id:
                forgetting._forget_entity(wish.user, wish.entity_id)
            else:
                forgetting._forget_user(wish.user)
            self._wishes.remove(wish)

    def _choose(self) -> None:
        """At one stroke: what is logged meanwhile would be learned, and left out of a store that is built again."""
        if not self._schedule.clocks_agree:
            return
        user, granted = self._random.choice(USERS), self._random.random() < 0.5
        self._note("choice about learning", None, f"{user} {granted}")
        with self._without_faults():
            Consenting(self._store, self.broker, self._clock)._choose(user, {Purpose.LEARNING: granted})

    # The end

    def _finish(self) -> None:
        self._calm, self._group.failing_commits, self._group.redeliveries = True, 0.0, 0.0
        self._say("nothing fails any more")
        for wish in list(self._wishes):
            self._wishes.remove(wish)
            self._grant(wish)
        alive = [each.member for each in self._workers]
        for member in [each for each in self._group.members if each not in alive]:
            self._group.remove(member)
        for member in alive:
            member.deaf = 0
        if not self._workers:
            self._start_worker()
        self.traffic.send_last()
        self._read_to_the_end()
        prepare(self.broker, self._store)

    def _read_to_the_end(self) -> None:
        partitions = range(self._schedule.partitions)
        ends = {each: self.broker.end_offset(TOPIC, each) for each in partitions}
        for _ in range(30 + 3 * sum(ends.values())):
            self._pass_time(1000)
            for process in self._workers:
                self._step_of(process)
            if all(self._store.position(TOPIC, each) == end for each, end in ends.items()):
                return
        positions = {each: self._store.position(TOPIC, each) for each in partitions}
        raise Stuck(f"the store is at {positions}, the log ends at {ends}")
