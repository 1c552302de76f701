"""Who writes while faults happen: a producer, users who want to be forgotten, and users who choose what is learned."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random
from typing import Any

from tests.faults.traffic import CHOOSING, ENTITIES, FORGOTTEN, Traffic

from attune.knowledge_store.consent import Purpose
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.store import StoreError
from attune.services.knowledge.consenting import Consenting
from attune.services.knowledge.forgetting import Forgetting
from attune.services.runtime.clock import system_clock
from attune.services.runtime.eventlog.errors import LogUnavailableError
from attune.services.runtime.eventlog.port import Entry, EventLog, Position
from attune.services.runtime.events import TOPIC

_PAUSE_S = 0.2
"""Between batches."""
_RETRY_S = 0.5
Targets = dict[int, int]
"""By partition, the offset behind a record."""


class Producer:
    """Appends batches, each until it is acknowledged, in a thread of its own."""

    def __init__(self, log: EventLog, knowledge: Knowledge, traffic: Traffic, random: Random) -> None:
        self.acknowledged: dict[Position, bytes] = {}
        """What the log has promised to keep."""
        self.repeated = 0
        """Batches that were sent again, since nobody knew what had become of them."""
        self._log = log
        self._traffic = traffic
        self._random = random
        self._consenting = Consenting(knowledge.store, log, system_clock)
        self._asked: list[Future[Targets]] = []
        self._choices = 0
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """All that was begun is acknowledged when this returns. Raises what the thread died of."""
        self._stopped.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def next_batch(self) -> "Future[Targets]":
        """Where the next batch lies that is begun from here on, once it is acknowledged."""
        future: Future[Targets] = Future()
        self._asked.append(future)
        return future

    def choose(self) -> None:
        """Let a user change their mind about learning, between two batches: of what is logged while the choice is on
        its way to the store, nobody can say whether it came before.
        """
        self._choices += 1

    def _run(self) -> None:
        try:
            while not self._stopped.wait(_PAUSE_S):
                self._send_next()
                while self._choices:
                    self._choices -= 1
                    self._choose()
        except BaseException as error:  # noqa: BLE001 - told by `stop`, and to who waits for it
            self._failure = error
            for each in self._asked:
                each.set_exception(error)

    def _send_next(self) -> None:
        asked, self._asked = self._asked, []
        entries = self._traffic.batch()
        positions = self._send(entries)
        self.acknowledged |= {at: each.value for at, each in zip(positions, entries, strict=True)}
        targets = {at.partition: at.offset + 1 for at in positions}
        for each in asked:
            each.set_result(targets)

    def _send(self, entries: list[Entry]) -> list[Position]:
        while True:
            try:
                return self._log.append(TOPIC, entries, system_clock())
            except LogUnavailableError:
                self.repeated += 1

    def _choose(self) -> None:
        user, granted = self._random.choice(CHOOSING), self._random.random() < 0.6
        until_done(lambda: self._consenting.choose(user, {Purpose.LEARNING: granted}))


class Wishes:
    """Users who want to be forgotten, wholly or in one entity, while all else goes on. Each asks until it is heard."""

    def __init__(self, log: EventLog, knowledge: Knowledge, random: Random) -> None:
        self._forgetting = Forgetting(knowledge, log, system_clock)
        self._random = random
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="wishes")
        self._made: list[Future[None]] = []

    @property
    def count(self) -> int:
        return len(self._made)

    def make(self) -> None:
        """One more, of a user that is drawn."""
        user, entity_id = self._random.choice(FORGOTTEN), self._random.choice(ENTITIES)
        of_user = self._random.random() < 0.5

        def ask() -> Coroutine[Any, Any, object]:
            return self._forgetting.forget_user(user) if of_user else self._forgetting.forget_entity(user, entity_id)

        self._made.append(self._executor.submit(until_done, ask))

    def finish(self, limit_s: float) -> None:
        """Wait until all are granted."""
        for each in self._made:
            each.result(limit_s)
        self._executor.shutdown()


def until_done(ask: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """As a user does whose call fails: asks again."""
    while True:
        try:
            asyncio.run(ask())
        except (StoreError, LogUnavailableError):
            threading.Event().wait(_RETRY_S)
        else:
            return
