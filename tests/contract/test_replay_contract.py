"""A store built anew beside the one in use, on both SQL engines: nothing lost, nothing twice, nothing back."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.fakes.postgres import new_database

from attune.events.v1.events_pb2 import EVENT_TYPE_CLICK, EVENT_TYPE_QUERY, InteractionEvent
from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.consent import Purpose
from attune.knowledge_store.kept import Kept, KeptSummary, KeptTombstone, KeptUser
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.loaded import LoadedCatalog
from attune.knowledge_store.model import LinkedEntity, LogPosition, Summary, UserKey
from attune.knowledge_store.shadow import ShadowInUseError
from attune.knowledge_store.store import FencedError, UnclaimedError
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_rows import RowStore
from attune.services.ingest.metrics import IngestMetrics
from attune.services.ingest.replaying import Plan, Replay, Watcher
from attune.services.ingest.settings import IngestSettings
from attune.services.ingest.starting import from_beginning, from_end, from_offsets, from_time
from attune.services.ingest.worker import IngestWorker
from attune.services.knowledge.consenting import Consenting
from attune.services.knowledge.forgetting import Forgetting
from attune.services.runtime.config import Config, ConfigError
from attune.services.runtime.consuming.backlog import BatchLimits
from attune.services.runtime.consuming.dead_letter_limit import DeadLetterLimit
from attune.services.runtime.eventlog.consumer import Source
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Record
from attune.services.runtime.events import TOPIC, log_key, to_entry
from attune.services.runtime.metrics import Metrics
from attune.services.runtime.objects import append_objects, restore_objects
from attune.services.runtime.restoring import restore
from attune.services.runtime.stores import open_shadow, open_store

START = datetime(2026, 11, 3, tzinfo=UTC)
CATALOG = LoadedCatalog.of(
    Catalog.load([f'{{"id": "{name}", "label": "{name}"}}' for name in ("asyncio", "jazz", "sailing", "rust")])
)
ADA, BEA, CLEO, DAN = (UserKey("acme", name) for name in ("ada", "bea", "cleo", "dan"))
USERS = (ADA, BEA, CLEO, DAN)


@dataclass
class System:
    """A log with two partitions, a store in use, and what the roles do to them; each call takes a second later."""

    config: Config
    log: LocalEventLog
    live: RowStore
    seconds: Iterator[int] = field(default_factory=count)
    names: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.knowledge = over(self.live)
        self.worker = worker(self.log, self.knowledge, self.clock)
        restore(self.log, self.live)

    def clock(self) -> datetime:
        return START + timedelta(seconds=next(self.seconds))

    def query(self, user: UserKey, text: str, event_id: str = "") -> None:
        at = self.clock()
        event = InteractionEvent(
            event_id=event_id or f"e{next(self.names)}",
            tenant_id=user.tenant,
            user_id=user.user,
            type=EVENT_TYPE_QUERY,
            user_query=text,
        )
        event.occurred_at.FromDatetime(at)
        self.log.append(TOPIC, [to_entry(event)], at)

    def forget(self, user: UserKey) -> None:
        asyncio.run(Forgetting(self.knowledge, self.log, self.clock).forget_user(user))

    def forget_entity(self, user: UserKey, entity_id: str) -> None:
        asyncio.run(Forgetting(self.knowledge, self.log, self.clock).forget_entity(user, entity_id))

    def suppress(self, user: UserKey) -> None:
        forgetting = Forgetting(self.knowledge, self.log, self.clock)
        asyncio.run(forgetting.suppress(user, [bytes([next(self.names) % 256]) * 32], all_history=False))

    def learning(self, user: UserKey, *, allowed: bool) -> None:
        consenting = Consenting(self.live, self.log, self.clock)
        asyncio.run(consenting.choose(user, {Purpose.LEARNING: allowed}))

    def drain(self) -> None:
        """The worker reads to the end: until nothing came twice, for it may have had to claim anew."""
        while self.worker.step(0) or self.worker.step(0):
            pass

    def replay(self, log: Any = None, plan: Plan | None = None) -> Replay:
        with closing(open_shadow(self.config)) as shadow:
            made = Replay(log or self.log, self.live, shadow, CATALOG, self.clock)
            chosen = plan or Plan(from_beginning(self.log))
            made.build(chosen)
            made.swap(chosen)
            return made

    def compare(self, most: int = 0, plan: Plan | None = None) -> Any:
        with closing(open_shadow(self.config)) as shadow:
            made = Replay(self.log, self.live, shadow, CATALOG, self.clock)
            made.build(plan or Plan(from_beginning(self.log)))
            return made.compare(most)

    def offline(self) -> list[Kept]:
        """What a store has that nobody used, and that reads the whole log at once."""
        store = MemoryStore()
        reader = worker(self.log, over(store), self.clock)
        restore(self.log, store)
        while reader.step(0):
            pass
        return kept(store)


def over(store: RowStore) -> Knowledge:
    return Knowledge(CATALOG.catalog, CATALOG.graph, CATALOG.linker, store)


def worker(log: LocalEventLog, knowledge: Knowledge, clock: Callable[[], datetime]) -> IngestWorker:
    settings = IngestSettings(BatchLimits(records=3, wait_s=0), dead_letters=DeadLetterLimit(ratio=1))
    return IngestWorker(Source.local(log), knowledge, clock, IngestMetrics(Metrics()), settings)


def kept(store: RowStore) -> list[Kept]:
    """All but summaries, which are not computed from a log, and how far topics are read that are read at a start."""
    return [
        each
        for each in store.dump()
        if not isinstance(each, KeptSummary) and not (isinstance(each, LogPosition) and each.log != TOPIC)
    ]


@pytest.fixture(params=["sqlite", "postgres"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    url = new_database(request.getfixturevalue("postgres_url")) if request.param == "postgres" else ""
    return Config(data_dir=tmp_path, store_url=url)


@pytest.fixture
def system(config: Config) -> Iterator[System]:
    opened = opened_system(config)
    yield opened
    opened.live.close()
    opened.log.close()


def opened_system(config: Config) -> System:
    return System(config, LocalEventLog(config.data_dir / "events", partitions=2), open_store(config))


def history_of(system: System) -> None:
    """Something of everything."""
    append_objects(system.log, "acme", {"doc": [LinkedEntity("sailing", 1.0)]}, system.clock())
    restore_objects(system.log, system.live)
    for user in USERS:
        for text in ("asyncio", "jazz"):
            system.query(user, text)
    system.drain()
    system.log.append(TOPIC, [Entry(log_key(ADA), b"\xff")], system.clock())
    system.forget(BEA)
    system.suppress(ADA)
    system.forget_entity(CLEO, "jazz")
    system.learning(DAN, allowed=False)
    for user in USERS:
        system.query(user, "rust")


def test_a_store_built_anew_is_that_of_the_log(system):
    history_of(system)
    system.drain()
    before = kept(system.live)
    replayed = system.replay()
    assert kept(system.live) == before == system.offline()
    assert replayed.built.outcomes["not_events"] == 1
    assert replayed.built.outcomes["withheld"] == 1
    assert not system.worker.step(0)
    system.query(BEA, "sailing")
    system.drain()
    assert kept(system.live) == system.offline()
    assert [each.entity_id for each in system.live.entities(BEA)] == ["sailing", "rust"]


def test_what_is_wrong_in_the_store_in_use_is_told_and_mended(system):
    history_of(system)
    system.drain()
    right = kept(system.live)
    records = {each.user: each.record for each in right if isinstance(each, KeptUser)}
    zoe = UserKey("acme", "zoe")
    system.live.put_users([(ADA, records[CLEO]), (zoe, records[CLEO])])
    found = system.compare(most=5)
    assert (found.missing, found.changed, found.added, found.differing) == (1, 1, 0, 2)
    assert (found.users, found.users_anew) == (5, 4)
    assert found.first == [ADA, zoe]
    assert system.compare().first == []
    assert zoe in {each.user for each in kept(system.live) if isinstance(each, KeptUser)}
    system.replay()
    assert kept(system.live) == right
    assert system.compare().differing == 0


def test_a_comparison_reads_no_further_than_the_store_in_use(system):
    history_of(system)
    system.drain()
    system.query(ADA, "sailing")
    before = kept(system.live)
    assert system.compare().differing == 0
    assert kept(system.live) == before
    system.drain()
    assert kept(system.live) == system.offline()


class ActingLog:
    """A log at whose n-th question something else happens. A thread does it, one after the other, for while the store
    is locked it may have to wait until the swap is over.
    """

    def __init__(self, log: LocalEventLog, acts: dict[int, list[Callable[[], None]]]) -> None:
        self._log = log
        self._acts = acts
        self._questions = count()
        self._thread = ThreadPoolExecutor(1)
        self._begun: list[Future[None]] = []

    def poll(self, *arguments: Any) -> list[Record]:
        self._act()
        return self._log.poll(*arguments)

    def end_offset(self, *arguments: Any) -> int:
        self._act()
        return self._log.end_offset(*arguments)

    def partition_count(self, topic: str) -> int:
        return self._log.partition_count(topic)

    def finish(self) -> None:
        self._begun += [self._thread.submit(act) for acts in self._acts.values() for act in acts]
        for each in self._begun:
            each.result(30)
        self._thread.shutdown()

    def _act(self) -> None:
        self._begun += [self._thread.submit(act) for act in self._acts.pop(next(self._questions), ())]
        wait(self._begun, 0.05)  # done, or waiting for the swap: either is an order that happens


LOCKED = 55
"""From about this question on, of 75, the store in use is locked."""
MOMENTS = st.one_of(st.integers(0, LOCKED - 1), st.integers(LOCKED, LOCKED + 25))
ACTIONS = st.tuples(MOMENTS, st.integers(0, 3), st.integers(0, 5))


def action(system: System, user: UserKey, kind: int) -> Callable[[], None]:
    return [
        lambda: system.query(user, "sailing"),
        lambda: system.forget(user),
        lambda: system.forget_entity(user, "jazz"),
        lambda: system.suppress(user),
        lambda: system.learning(user, allowed=False),
        system.drain,
    ][kind]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.reuse, Phase.generate])
@given(program=st.lists(ACTIONS, max_size=8))
def test_whatever_happens_meanwhile_the_store_is_that_of_the_log(config, tmp_path_factory, postgres_url, program):
    url = new_database(postgres_url) if config.store_url.get_secret_value() else ""
    system = opened_system(Config(data_dir=tmp_path_factory.mktemp("data"), store_url=url))
    history_of(system)
    acts: dict[int, list[Callable[[], None]]] = {}
    for question, user, kind in program:
        acts.setdefault(question, []).append(action(system, USERS[user], kind))
    acting = ActingLog(system.log, acts)
    system.replay(acting)
    acting.finish()
    system.drain()
    assert kept(system.live) == system.offline()
    system.live.close()
    system.log.close()


def test_no_reader_ever_misses_a_tombstone(system):
    """Bea is forgotten before, others while the store is built and swapped: no moment without it, whoever reads."""
    history_of(system)
    system.drain()
    ended = threading.Event()
    missed: list[str] = []
    seen: list[UserKey] = [BEA]

    def read() -> None:
        with closing(open_store(system.config)) as reader:
            while not ended.is_set():
                wanted = list(seen)
                missed.extend(each.user for each in wanted if each not in reader.forgotten(wanted))
                missed.extend(each.user for each in wanted if reader.profile(each).events > (each == BEA))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for each in readers:
        each.start()

    def forget(user: UserKey) -> None:
        system.forget(user)
        seen.append(user)

    for question, user in ((20, ADA), (LOCKED, CLEO), (LOCKED + 10, DAN), (0, BEA)):
        acting = ActingLog(system.log, {question: [partial(forget, user)]})
        system.replay(acting)
        acting.finish()
        system.query(user, "jazz")
        system.log.redact(TOPIC, log_key(user))
    ended.set()
    for each in readers:
        each.join(30)
    assert missed == []
    assert set(system.live.forgotten(USERS)) == set(USERS)


def test_who_begins_to_read_during_the_swap_sees_the_store_after_it(system):
    """Ada is forgotten when the shadow was last told of removals. A snapshot of that moment would not show it."""
    history_of(system)
    found: list[dict[UserKey, datetime]] = []
    reading = threading.Thread(target=lambda: found.append(system.live.forgotten([ADA])))
    with closing(open_shadow(system.config)) as shadow:
        replay = Replay(system.log, system.live, shadow, CATALOG, system.clock)
        replay.build(Plan(from_beginning(system.log)))
        system.forget(ADA)

        def state() -> None:
            reading.start()
            reading.join(0.5)  # has read the store of before, or waits
            restore(system.log, shadow.store)

        shadow.swap(state, lambda: None, None)
    reading.join(30)
    assert set(found[0]) == {ADA}
    assert set(system.live.forgotten([ADA])) == {ADA}


def test_a_tombstone_that_reaches_further_than_the_log_tells_is_taken(system):
    """An event of a clock that was ahead moved it on, and the process ended before the log had that."""
    history_of(system)
    system.drain()
    later = START + timedelta(days=1)
    with closing(open_shadow(system.config)) as shadow:
        replay = Replay(system.log, system.live, shadow, CATALOG, system.clock)
        replay.build(Plan(from_beginning(system.log)))
        system.live.carry_tombstones([KeptTombstone(ADA.digest, None, later)])
        replay.swap(Plan(from_beginning(system.log)))
    assert system.live.forgotten([ADA]) == {ADA: later}
    assert system.live.entities(ADA) != []
    system.query(ADA, "sailing")
    system.drain()
    assert "sailing" not in system.live.view(ADA).states


def test_an_erased_stretch_is_passed_over(system):
    history_of(system)
    for user in USERS:
        system.log.redact(TOPIC, log_key(user))
    system.replay()
    assert [system.live.position(TOPIC, each) for each in (0, 1)] == [
        system.log.end_offset(TOPIC, each) for each in (0, 1)
    ]
    assert system.live.entities(ADA) == []
    assert system.live.suppressed(ADA).fingerprints


def test_from_an_offset_what_came_before_is_left_out(system):
    history_of(system)
    system.drain()
    ends = from_end(system.log)
    system.query(ADA, "sailing")
    system.replay(
        plan=Plan(from_offsets(system.log, [f"{each}:{offset}" for each, offset in ends.items()]), is_whole=False)
    )
    assert [each.entity_id for each in system.live.entities(ADA)] == ["sailing"]
    assert system.live.entities(CLEO) == []
    system.query(CLEO, "sailing")
    system.drain()
    assert [each.entity_id for each in system.live.entities(CLEO)] == ["sailing"]


def test_from_a_time(system):
    history_of(system)
    moment = system.clock()
    system.query(ADA, "sailing")
    starts = from_time(system.log, moment, START + timedelta(days=1))
    system.replay(plan=Plan(starts, is_whole=False))
    assert [each.entity_id for each in system.live.entities(ADA)] == ["sailing"]
    assert from_time(system.log, START - timedelta(days=1), START) == from_beginning(system.log)
    with pytest.raises(ConfigError, match=r"--from-time 2026-11-05T00:00:00\+00:00 is in the future: name a time"):
        from_time(system.log, START + timedelta(days=2), START)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            "0:999",
            "--from-offset 0:999: partition 0 of attune.interactions.v1 ends at [0-9]+: name an offset up to that",
        ),
        ("7:0", "--from-offset 7:0: attune.interactions.v1 has the partitions 0 to 1: name one of them"),
        ("7", "--from-offset 7: write PARTITION:OFFSET, two numbers, such as 0:1500"),
        ("0:-1", "--from-offset 0:-1: write PARTITION:OFFSET"),
    ],
)
def test_an_offset_that_is_none(system, given, sentence):
    history_of(system)
    with pytest.raises(ConfigError, match=sentence):
        from_offsets(system.log, [given])


def test_summaries_stay_where_the_store_has_what_they_tell_of(system):
    history_of(system)
    system.drain()
    told = Summary("jazz and rust", 3, system.live.profile(ADA).events, START, "store")
    untrue = Summary("much", 1, 50, START, "store")
    assert system.live.put_summary(ADA, told, [])
    assert system.live.put_summary(CLEO, untrue, [])
    late = Summary("meanwhile", 4, 1, START + timedelta(minutes=5), "store")
    acting = ActingLog(system.log, {LOCKED - 1: [lambda: system.live.put_summary(ADA, late, [])]})
    system.replay(acting)
    acting.finish()
    assert system.live.summary(ADA) == late
    assert system.live.summary(CLEO) is None
    system.replay(plan=Plan(from_offsets(system.log, []), is_whole=False))
    assert system.live.summary(ADA) is None


def test_one_replay_at_a_time(system):
    with (
        closing(open_shadow(system.config)),
        pytest.raises(ShadowInUseError, match="another process builds this store"),
    ):
        open_shadow(system.config)
    with closing(open_shadow(system.config)) as shadow:
        assert not shadow.had_leftover


def test_a_long_reader_is_waited_for_and_holds_up_nobody_else(system):
    """In PostgreSQL, as a backup is. SQLite's readers go on with what there was."""
    history_of(system)
    said: SimpleQueue[str] = SimpleQueue()
    with closing(open_shadow(system.config)) as shadow, ThreadPoolExecutor(1) as pool:
        watcher = Watcher(say=said.put)
        replay = Replay(system.log, system.live, shadow, CATALOG, system.clock, watcher)
        replay.build(Plan(from_beginning(system.log)))
        with system.live.snapshot() as rows:
            assert next(iter(rows.users()))
            swapping = pool.submit(replay.swap, Plan(from_beginning(system.log)))
            if system.config.store_url.get_secret_value():
                assert "wait for backups, audits and the like to end" in said.get(timeout=30)
                system.suppress(CLEO)
        swapping.result(60)
    assert kept(system.live) == system.offline()


def test_what_fails_changes_nothing(system):
    history_of(system)
    system.drain()
    before = kept(system.live)

    def fail() -> None:
        raise RuntimeError("on purpose")

    with closing(open_shadow(system.config)) as shadow:
        for steps in ((fail, lambda: None), (lambda: None, fail)):
            with pytest.raises(RuntimeError):
                shadow.swap(*steps, None)
            assert kept(system.live) == before
    system.query(ADA, "sailing")
    system.drain()
    assert kept(system.live) == system.offline()


def test_who_had_claimed_a_partition_must_claim_it_anew(system):
    history_of(system)
    slept = system.live.claim(TOPIC, 0)
    system.replay()
    end = system.log.end_offset(TOPIC, 0)
    before = kept(system.live)
    with pytest.raises(UnclaimedError):
        system.live.apply([], LogPosition(TOPIC, 0, end + 5, epoch=slept.epoch))
    assert kept(system.live) == before
    assert system.live.claim(TOPIC, 0).next_offset == end
    with pytest.raises(FencedError) as refused:
        system.live.apply([], LogPosition(TOPIC, 0, end + 5, epoch=slept.epoch))
    assert not isinstance(refused.value, UnclaimedError)


def test_a_worker_goes_on_in_the_new_store_where_that_is_behind(system):
    """Its backlog begins where the one of before was; what lies between is read again."""
    history_of(system)
    system.drain()
    with closing(open_shadow(system.config)) as shadow:
        Replay(system.log, system.live, shadow, CATALOG, system.clock).build(Plan(from_beginning(system.log)))
        shadow.swap(lambda: None, lambda: None, None)
    for user in USERS:
        system.query(user, "sailing")
    system.drain()
    assert kept(system.live) == system.offline()


def test_a_click_finds_its_document(system):
    history_of(system)
    at = system.clock()
    event = InteractionEvent(event_id="c1", tenant_id="acme", user_id="ada", type=EVENT_TYPE_CLICK, object_id="doc")
    event.occurred_at.FromDatetime(at)
    system.log.append(TOPIC, [to_entry(event)], at)
    system.replay()
    assert "sailing" in system.live.view(ADA).states
