"""A campaign of faults: rounds of harm to a real system that reads a log, and what is in its store afterwards."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from random import Random

from tests.fakes.kafka import until
from tests.faults.faults import Fault, Joined, Paused, drawn
from tests.faults.offline import Audit
from tests.faults.producing import Producer, Wishes
from tests.faults.report import Report
from tests.faults.site import PARTITIONS, Site, open_site
from tests.faults.traffic import DOCUMENTS, TENANT, Traffic
from tests.faults.worker_process import FENCED, Worker

from attune.knowledge_store.store import StoreError
from attune.services.runtime.clock import system_clock
from attune.services.runtime.events import TOPIC
from attune.services.runtime.objects import append_objects
from attune.services.runtime.restoring import restore

_FEWEST_WORKERS = 2
_APPLIED_S = 180.0
"""Who has not gone on after this does not go on."""
_LOOK_S = 0.2
_SLEEP_SESSIONS = 1.5
"""How many sessions a worker that is paused sleeps at least, which is too long; and twice that at most."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Length:
    """So many rounds, but none that begins after so many seconds."""

    rounds: int
    seconds: float = inf


class Stuck(Exception):  # noqa: N818 - it is what the system is
    """The faults are over, and the group does not apply events."""


class Campaign:
    """Runs rounds at a site. `tell` hears, line by line, what happens."""

    def __init__(self, site: Site, report: Report, tell: Tell) -> None:
        self._site = site
        self._report = report
        self._tell = tell
        self._random = Random(report.seed)  # noqa: S311 - a schedule, not a secret
        self._log = site.event_log()
        self._knowledge = site.knowledge()
        self._traffic = Traffic(Random(report.seed + 1), PARTITIONS)  # noqa: S311 - of its own: it is another thread's
        self._producer = Producer(self._log, self._knowledge, self._traffic, Random(report.seed + 2))  # noqa: S311
        self._wishes = Wishes(self._log, self._knowledge, Random(report.seed + 3))  # noqa: S311

    def run(self, length: Length) -> None:
        """All of it. Raises Stuck, and whatever the system raises that it should not."""
        append_objects(self._log, TENANT, DOCUMENTS, system_clock())
        for _ in range(_FEWEST_WORKERS + 1):
            self._site.start_worker()
        self._producer.start()
        self._await_applied("the start")
        deadline = time.monotonic() + length.seconds
        while self._report.rounds < length.rounds and time.monotonic() < deadline:
            self._round()
            self._report.rounds += 1
        self._finish()

    def close(self) -> None:
        self._log.close()
        self._knowledge.store.close()

    def _round(self) -> None:
        faults = drawn(self._site, self._workers(), self._random)
        names = " + ".join(each.kind for each in faults)
        self._report.faults.update(each.kind for each in faults)
        if self._random.random() < 0.5:
            self._wishes.make()
        if self._random.random() < 0.3:
            self._producer.choose()
        took_s = self._suffer(faults)
        self._report.recovery_s[faults[0].kind if len(faults) == 1 else "two at once"].append(took_s)
        self._tell(f"round {self._report.rounds + 1}: {names}: all is applied again after {took_s:.1f} s")
        self._see_who_lives()

    def _suffer(self, faults: list[Fault]) -> float:
        """Seconds from the first harm until events of afterwards are applied."""
        began = time.monotonic()
        for each in faults:
            each.begin()
        slept = self._sleep(began) if any(isinstance(each, Paused) for each in faults) else None
        for each in faults:
            each.end()
        if slept is None:
            self._await_applied(" and ".join(each.kind for each in faults))
            return time.monotonic() - began
        woken = time.monotonic()
        self._await_applied("waking up")
        self._report.recovery_s["worker woken"].append(time.monotonic() - woken)
        return slept or time.monotonic() - began

    def _sleep(self, began: float) -> float:
        """While somebody sleeps: seconds until the others apply all; 0 where they do not, for what he holds."""
        least, most = (began + each * _SLEEP_SESSIONS * self._site.session_s for each in (1, 2))
        batch, took_s = self._producer.next_batch(), 0.0

        def is_over() -> bool:
            nonlocal took_s
            now = time.monotonic()
            if not took_s and batch.done() and self._has_applied(batch.result()):
                took_s = now - began
            return now > (least if took_s else most)

        until(is_over, look_s=_LOOK_S)
        return took_s

    def _await_applied(self, what: str) -> None:
        """Until an event is applied in each partition that was sent after this call."""
        batch = self._producer.next_batch()
        try:
            until(lambda: batch.done() and self._has_applied(batch.result()), limit_s=_APPLIED_S, look_s=_LOOK_S)
        except TimeoutError as error:
            raise Stuck(f"after {what} nothing is applied for {_APPLIED_S:.0f} s: {self._where()}") from error

    def _has_applied(self, targets: dict[int, int]) -> bool:
        try:
            return all(self._knowledge.store.position(TOPIC, each) >= target for each, target in targets.items())
        except StoreError:
            return False

    def _see_who_lives(self) -> None:
        """Workers have to bear what happens: one that ended without being asked to is a difference of its own."""
        for each in self._site.workers:
            if each.is_wanted and not each.is_alive:
                each.is_wanted = False
                self._report.differences.append(f"{each.name} ended by itself: see {each.log}")
        while len(self._workers()) < _FEWEST_WORKERS:
            one_more = Joined(self._site, [], self._random)
            one_more.begin()
            one_more.end()

    def _workers(self) -> list[Worker]:
        return [each for each in self._site.workers if each.is_wanted and each.is_alive]

    def _finish(self) -> None:
        """Without faults, to the end of the log."""
        self._wishes.finish(_APPLIED_S)
        self._producer.stop()
        ends = {each: self._log.end_offset(TOPIC, each) for each in range(PARTITIONS)}
        try:
            until(lambda: self._has_applied(ends), limit_s=_APPLIED_S, look_s=_LOOK_S)
        except TimeoutError as error:
            raise Stuck(f"the log's end is not reached: {self._where()}, and it ends at {ends}") from error
        restore(self._log, self._knowledge.store)
        self._report.wishes = self._wishes.count
        self._report.workers = len(self._site.workers)
        self._report.fenced_writes = sum(each.said(FENCED) for each in self._site.workers)
        audit = Audit(self._log, self._knowledge.store, self._report, self._site.directory)
        audit.run(self._site.empty_knowledge(), self._producer.acknowledged, self._traffic.wrong)

    def _where(self) -> str:
        positions = {each: self._knowledge.store.position(TOPIC, each) for each in range(PARTITIONS)}
        living = ", ".join(each.name for each in self._workers())
        return f"the store is at {positions}, and there live {living}"


def run_campaign(directory: Path, report: Report, length: Length, tell: Tell, session_ms: int) -> None:
    """Run it in an empty directory, which has the logs of all afterwards."""
    began = time.monotonic()
    with open_site(directory, brokers=report.brokers, store=report.store, session_ms=session_ms) as site:
        campaign = Campaign(site, report, tell)
        try:
            campaign.run(length)
        finally:
            campaign.close()
            report.seconds = time.monotonic() - began
