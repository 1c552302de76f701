"""Forgetting: to the log first, to its end whoever waits, and again without harm."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.knowledge import Knowledge
from attune.knowledge_store.linking import Linker
from attune.knowledge_store.model import EventKind, Interaction, UserKey
from attune.knowledge_store.store import StoreError
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import Suppressed
from attune.services.knowledge.forgetting import Forgetting
from attune.services.runtime.eventlog.local import LocalEventLog
from attune.services.runtime.eventlog.port import Entry, Position
from attune.services.runtime.events import DEAD_LETTER_TOPIC, TOPIC, log_key
from attune.services.runtime.removals import FORGETS_TOPIC, REMOVALS_TOPIC, restore_removals

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ONE_ENTITY = {"entities": 1, "readings": 0, "statements": 0, "summaries": 0}
LATER = NOW + timedelta(seconds=1)
ADA = UserKey("acme", "ada")
KEY = log_key(ADA)


class Gated(LocalEventLog):
    """A log whose redactions wait at a gate, and fail when told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reached = threading.Event()
        self.gate = threading.Event()
        self.fails = False

    def redact(self, topic: str, key: bytes) -> int:
        self.reached.set()
        assert self.gate.wait(30)
        if self.fails:
            raise OSError(5, "the disk is gone")
        return super().redact(topic, key)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Gated]:
    opened = Gated(tmp_path)
    for topic in (TOPIC, DEAD_LETTER_TOPIC):
        opened.append(topic, [Entry(KEY, b"secret"), Entry(b"acme/bea", b"kept")], NOW)
    yield opened
    opened.gate.set()
    opened.close()


def over(store: MemoryStore) -> Knowledge:
    catalog = Catalog.load(['{"id": "asyncio", "label": "asyncio"}'])
    graph = CatalogGraph(catalog)
    return Knowledge(catalog, graph, Linker(catalog, graph), store)


@pytest.fixture
def knowledge() -> Knowledge:
    made = over(MemoryStore())
    made.handle([Interaction("1", ADA, EventKind.QUERY, NOW, NOW, user_query="asyncio")])
    return made


def live(log: LocalEventLog, topic: str) -> list[bytes]:
    return [each.value for each in log.poll(topic, 0, 0, 100, 1 << 20, 0)]


async def reached(log: Gated) -> None:
    assert await asyncio.to_thread(log.reached.wait, 30)


async def test_forgetting_covers_log_store_and_dead_letters_and_counts_each(log: Gated, knowledge: Knowledge) -> None:
    log.gate.set()
    done = await Forgetting(knowledge, log, lambda: NOW + timedelta(seconds=1)).forget_user(ADA)
    assert done.until == NOW + timedelta(seconds=1)
    assert done.removed == {
        "entities": 1,
        "events": 1,
        "profiles": 1,
        "readings": 0,
        "statements": 0,
        "suppressions": 0,
        "summaries": 0,
        "entity_tombstones": 0,
        "event_log": 1,
        "dead_letters": 1,
        "removals": 0,
    }
    assert [live(log, topic) for topic in (TOPIC, DEAD_LETTER_TOPIC)] == [[b"kept"], [b"kept"]]
    assert knowledge.profile(ADA).forgotten_at == done.until


async def test_it_goes_on_to_its_end_though_the_caller_leaves(log: Gated, knowledge: Knowledge) -> None:
    forgetting = Forgetting(knowledge, log, lambda: NOW)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await forgetting.forget_user(ADA)
    await reached(log)
    assert live(log, DEAD_LETTER_TOPIC) == [b"secret", b"kept"]
    log.gate.set()
    await forgetting.finish()
    assert [live(log, topic) for topic in (TOPIC, DEAD_LETTER_TOPIC)] == [[b"kept"], [b"kept"]]


async def test_one_that_failed_is_finished_by_the_next(log: Gated, knowledge: Knowledge) -> None:
    log.fails = True
    log.gate.set()
    forgetting = Forgetting(knowledge, log, lambda: NOW)
    with pytest.raises(OSError, match="the disk is gone"):
        await forgetting.forget_user(ADA)
    assert knowledge.profile(ADA).forgotten_at == NOW
    log.fails = False
    done = await forgetting.forget_user(ADA)
    assert (done.removed["event_log"], done.removed["dead_letters"], done.until) == (1, 1, NOW)
    await forgetting.finish()


async def test_the_log_knows_of_it_before_the_store_does(log: Gated) -> None:
    store = MemoryStore()
    store.close()
    forgetting = Forgetting(over(store), log, lambda: NOW)
    for work in (
        forgetting.forget_user(ADA),
        forgetting.forget_entity(UserKey("acme", "bea"), "asyncio"),
        forgetting.suppress(UserKey("acme", "bea"), [b"f" * 32], all_history=True),
    ):
        with pytest.raises(StoreError):
            await work
    built = MemoryStore()
    restore_removals(log, built)
    assert built.profile(ADA).forgotten_at == NOW
    profile, forgotten, *_ = built.export(UserKey("acme", "bea"))
    assert (profile["forgotten_at"], forgotten["entity_id"]) == (None, "asyncio")
    assert built.suppressed(UserKey("acme", "bea")) == Suppressed((b"f" * 32,), NOW)


async def test_a_tombstone_that_the_store_had_to_set_later_is_in_the_log_as_late(
    log: Gated, knowledge: Knowledge
) -> None:
    """The events were logged by a process whose clock is a minute ahead of the one that forgets."""
    log.gate.set()
    done = await Forgetting(knowledge, log, lambda: NOW - timedelta(minutes=1)).forget_user(ADA)
    assert done.until == NOW
    built = MemoryStore()
    restore_removals(log, built)
    assert built.forgotten([ADA]) == {ADA: NOW}


async def test_a_tombstone_of_an_entity_is_in_the_log_as_late_too(log: Gated, knowledge: Knowledge) -> None:
    await Forgetting(knowledge, log, lambda: NOW - timedelta(minutes=1)).forget_entity(ADA, "asyncio")
    built = MemoryStore()
    restore_removals(log, built)
    assert built.forgotten_entities(ADA) == {"asyncio": NOW}


async def test_an_entity_forgotten_after_its_user_began_anew_stays_so(log: Gated, knowledge: Knowledge) -> None:
    """By a clock that is behind the log's, both wishes are from before the event: the second covers it all the same."""
    log.gate.set()
    forgetting = Forgetting(knowledge, log, lambda: NOW - timedelta(seconds=3))
    await forgetting.forget_user(ADA)
    knowledge.handle([Interaction("2", ADA, EventKind.QUERY, LATER, LATER, user_query="asyncio")])
    await forgetting.forget_entity(ADA, "asyncio")
    rebuilt = MemoryStore()
    restore_removals(log, rebuilt)
    assert rebuilt.forgotten_entities(ADA) == knowledge.store.forgotten_entities(ADA) == {"asyncio": LATER}


async def test_who_is_forgotten_is_so_until_the_last_of_their_entities(log: Gated, knowledge: Knowledge) -> None:
    """What says in the log until when these were forgotten goes with the user: a store built again has it nowhere."""
    log.gate.set()
    knowledge.handle([Interaction("2", ADA, EventKind.QUERY, LATER, LATER, user_query="asyncio")])
    forgetting = Forgetting(knowledge, log, lambda: NOW)
    await forgetting.forget_entity(ADA, "asyncio")
    lost = over(MemoryStore())
    restore_removals(log, lost.store)
    assert (await Forgetting(lost, log, lambda: NOW).forget_user(ADA)).until == LATER
    rebuilt = MemoryStore()
    restore_removals(log, rebuilt)
    assert rebuilt.forgotten([ADA]) == lost.store.forgotten([ADA]) == {ADA: LATER}
    assert rebuilt.forgotten_entities(ADA) == lost.store.forgotten_entities(ADA) == {}


async def test_what_a_user_removed_singly_goes_with_the_user(log: Gated, knowledge: Knowledge) -> None:
    log.gate.set()
    forgetting = Forgetting(knowledge, log, lambda: NOW)
    assert (await forgetting.forget_entity(ADA, "asyncio")).removed == {
        "entities": 1,
        "readings": 0,
        "statements": 0,
        "summaries": 0,
    }
    await forgetting.suppress(ADA, [b"f" * 32], all_history=False)
    assert knowledge.store.suppressed(ADA) == Suppressed((b"f" * 32,), None)
    assert len(live(log, REMOVALS_TOPIC)) == 2
    assert (await forgetting.forget_user(ADA)).removed["removals"] == 2
    assert live(log, REMOVALS_TOPIC) == []
    assert len(live(log, FORGETS_TOPIC)) == 1


class ForgettingMeanwhile(LocalEventLog):
    """Lets the user be forgotten wholly, later, between the append of a single removal and the change of the store."""

    knowledge: Knowledge

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        positions = super().append(topic, entries, now)
        if topic == REMOVALS_TOPIC:
            Forgetting(self.knowledge, self, lambda: LATER)._forget_user(ADA)
        return positions


class ForgottenMeanwhile(ForgettingMeanwhile):
    """Lets it be forgotten before the append."""

    def append(self, topic: str, entries: Sequence[Entry], now: datetime) -> list[Position]:
        if topic == REMOVALS_TOPIC:
            Forgetting(self.knowledge, self, lambda: LATER)._forget_user(ADA)
        return LocalEventLog.append(self, topic, entries, now)


@pytest.mark.parametrize("racing", [ForgettingMeanwhile, ForgottenMeanwhile])
@pytest.mark.parametrize("what", ["suggestions", "entity"])
async def test_of_what_a_user_removed_nothing_outlives_the_user(
    tmp_path: Path, knowledge: Knowledge, racing: type[ForgettingMeanwhile], what: str
) -> None:
    log = racing(tmp_path)
    log.knowledge = knowledge
    forgetting = Forgetting(knowledge, log, lambda: NOW)
    if what == "suggestions":
        await forgetting.suppress(ADA, [b"f" * 32], all_history=True)
    else:
        await forgetting.forget_entity(ADA, "asyncio")
    assert knowledge.store.suppressed(ADA) == Suppressed()
    assert live(log, REMOVALS_TOPIC) == []
    assert knowledge.store.forgotten([ADA]) == {ADA: LATER}
    log.close()


async def test_many_users_are_forgotten_at_once(tmp_path: Path) -> None:
    log, knowledge = LocalEventLog(tmp_path), over(MemoryStore())
    users = [UserKey("acme", f"user-{number}") for number in range(20)]
    log.append(TOPIC, [Entry(log_key(user), b"secret") for user in users], NOW)
    forgetting = Forgetting(knowledge, log, lambda: NOW)
    await asyncio.gather(*(forgetting.forget_user(user) for user in users))
    assert live(log, TOPIC) == []
    assert knowledge.store.forgotten(users) == dict.fromkeys(users, NOW)


async def test_of_merged_entities_all_are_forgotten_and_stay_so(log):
    store = MemoryStore()
    store_of = over(store)
    store_of.handle([Interaction("1", ADA, EventKind.QUERY, NOW, NOW, user_query="asyncio")])
    lines = [
        '{"id": "aio", "label": "aio"}',
        '{"id": "asyncio", "label": "asyncio"}',
        '{"merged": "asyncio", "into": "aio"}',
    ]
    catalog = Catalog.load(lines)
    graph = CatalogGraph(catalog)
    merged = Knowledge(catalog, graph, Linker(catalog, graph), store)
    done = await Forgetting(merged, log, lambda: NOW).forget_entity(ADA, "aio")
    assert done.removed == ONE_ENTITY
    assert store.view(ADA).states == {}
    rebuilt = MemoryStore()
    restore_removals(log, rebuilt)
    over(rebuilt).handle([Interaction("1", ADA, EventKind.QUERY, NOW, NOW, user_query="asyncio")])
    assert rebuilt.view(ADA).states == {}
