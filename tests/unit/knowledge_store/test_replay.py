"""The invariants of the event-fed store, on random logs and both engines: replay, order, forgetting, tenancy, bound."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import (
    ANNA,
    BEN,
    LOG,
    TWIN,
    USERS,
    batches,
    content,
    days,
    logs,
    moments,
    projected,
    table_rows,
)

from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.model import EntityState, LogPosition
from attune.knowledge_store.store import Store
from attune.knowledge_store.store_memory import MemoryStore
from attune.knowledge_store.store_model import Applied, Projected, Removal
from attune.knowledge_store.store_sqlite import SqliteStore

CAPACITY = 4
sizes = st.lists(st.integers(0, 8), max_size=8)
few = settings(max_examples=25, deadline=None)
some = settings(max_examples=50, deadline=None)


@contextmanager
def sqlite_store() -> Iterator[tuple[SqliteStore, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        store = SqliteStore(path, capacity=CAPACITY)
        yield store, path
        store.close()


def read(store: Store, events: Sequence[Projected], cuts: Sequence[int]) -> None:
    for batch, position in batches(events, cuts):
        store.apply(batch, position)


def breaking_off(batch: Sequence[Projected]) -> Iterator[Projected]:
    yield from batch
    raise ConnectionError


def read_with_crashes(store: Store, events: Sequence[Projected], cuts: Sequence[int]) -> None:
    """Each batch first breaks off before its commit; then the consumer seeks from the store and reads it."""
    for batch, position in batches(events, cuts):
        with suppress(ConnectionError):
            store.apply(breaking_off(batch), position)
        start = store.position(LOG, 0)
        assert start == position.next_offset - len(batch)
        store.apply(events[start : position.next_offset], position)


@few
@given(logs(), sizes, sizes)
def test_any_batches_any_crashes_and_any_replay_give_the_same_rows(events, cuts, other_cuts):
    with sqlite_store() as (plain, plain_path), sqlite_store() as (crashed, crashed_path):
        read(plain, events, cuts)
        read_with_crashes(crashed, events, other_cuts)
        assert table_rows(crashed_path) == table_rows(plain_path)
        read(crashed, events, cuts)
        assert table_rows(crashed_path) == table_rows(plain_path)
        memory = MemoryStore(capacity=CAPACITY)
        read_with_crashes(memory, events, other_cuts)
        read(memory, events, cuts)
        assert content(memory) == content(plain)


def held(store: Store) -> dict[object, object]:
    """What is kept of the users, their weights up to the rounding of sums in another order."""
    return {
        user: (
            store.profile(user),
            {
                state.entity_id: (
                    dict(state.counts),
                    state.first_seen,
                    state.last_seen,
                    pytest.approx(state.weight, rel=1e-9, abs=1e-9),
                    pytest.approx(state.recent, rel=1e-9, abs=1e-9),
                )
                for state in store.entities(user)
            },
            [each for each in store.export(user) if each["record"] in {"forgotten_entity", "consent"}],
        )
        for user in USERS
    }


def once(events: Sequence[Projected]) -> list[Projected]:
    """Those of different ids: of events that share one, the first to come is taken."""
    return list({(event.user, event.event_id): event for event in events}.values())


def acts(at: datetime) -> list[Callable[[Store], object]]:
    """One user is forgotten, an entity of another, and a third withdraws consent."""
    return [
        lambda store: store.forget_user(ANNA, at),
        lambda store: store.forget_entity(BEN, "a", at),
        lambda store: store.consent(TWIN, [Choice(at, Purpose.LEARNING, False)]),
    ]


def applying(event: Projected) -> Callable[[Store], object]:
    return lambda store: store.apply([event])


@some
@given(logs(), moments(), st.data())
def test_below_the_bound_any_order_gives_the_same_store(events, at, data):
    """What happened and was logged before an act is moved across it freely; what came later stays behind it, since
    nobody can be forgotten, or withdraw consent, for events that are not there yet.
    """
    before = [event for event in once(events) if max(event.occurred_at, event.logged_at) < at]
    after = [event for event in once(events) if max(event.occurred_at, event.logged_at) >= at]
    earlier, later = [*map(applying, before), *acts(at)], [*map(applying, after * 2)]  # each comes again, too
    one, other = MemoryStore(capacity=8), MemoryStore(capacity=8)
    for step in (*earlier, *later):
        step(one)
    for step in (*data.draw(st.permutations(earlier)), *data.draw(st.permutations(later))):
        step(other)
    assert held(other) == held(one)


def test_above_the_bound_the_order_of_arrival_matters():
    """An entity that comes back after its eviction has lost what was counted before."""
    seen = [projected("1", "a", at=days(1)), projected("2", "b", at=days(2)), projected("3", "a", at=days(3))]
    counts = set()
    for order in permutations(seen):
        store = MemoryStore(capacity=1)
        for event in order:
            store.apply([event])
        (kept,) = store.entities(ANNA)
        counts.add((kept.entity_id, kept.count, kept.first_seen))
        assert store.profile(ANNA).events == len(seen)
    assert counts == {("a", 1, days(3)), ("a", 2, days(1))}


@few
@given(logs(), logs(10), sizes, moments(), st.sampled_from(USERS), st.sampled_from("abc"))
def test_the_engines_agree_after_forgetting_too(events, later, cuts, at, user, entity_id):
    memory = MemoryStore(capacity=CAPACITY)
    with sqlite_store() as (sqlite, _):
        for step in (
            lambda store: read(store, events, cuts),
            lambda store: store.forget_entity(user, entity_id, at),
            lambda store: store.apply(later),
            lambda store: store.forget_user(BEN, at),
            lambda store: store.apply([*events, *later]),
        ):
            assert step(memory) == step(sqlite)
            assert content(memory) == content(sqlite)


@some
@given(logs(), sizes, moments())
def test_a_forgotten_user_stays_forgotten_after_a_replay(events, cuts, at):
    store = MemoryStore(capacity=CAPACITY)
    read(store, events, ())
    store.forget_user(ANNA, at)
    forgotten = content(store)
    read(store, events, cuts)
    assert content(store) == forgotten
    assert store.entities(ANNA) == []


@some
@given(logs(), sizes, st.integers(0, 30), moments())
def test_forgetting_in_the_midst_of_a_log_lets_in_only_what_is_newer(events, cuts, split, at):
    store = MemoryStore(capacity=CAPACITY)
    read(store, events[:split], ())
    store.forget_user(ANNA, at)
    until = store.profile(ANNA).forgotten_at
    read(store, events, cuts)
    assert until is not None
    assert until >= at
    known = {event.event_id for event in events if event.user == ANNA and event.epoch > until}
    assert store.profile(ANNA).events == len(known)


@some
@given(logs(), sizes, st.integers(0, 30), moments(), st.sampled_from("abc"))
def test_a_store_that_is_lost_and_built_again_from_the_log_forgets_the_same(events, cuts, split, at, entity_id):
    lived = MemoryStore(capacity=100)
    read(lived, events[:split], ())
    lived.forget_entity(BEN, entity_id, at)
    lived.forget_user(ANNA, at)
    removals = [Removal(ANNA, until) for until in lived.forgotten([ANNA]).values()]
    removals += [
        Removal(BEN, datetime.fromisoformat(record["forgotten_at"]), record["entity_id"])
        for record in lived.export(BEN)
        if record["record"] == "forgotten_entity"
    ]
    read(lived, events, cuts)
    built = MemoryStore(capacity=100)
    built.restore(removals, LogPosition("removals", 0, len(removals)))
    read(built, events, ())
    assert content(built) == content(lived)


@some
@given(logs(), moments(), st.sampled_from("abcd"))
def test_a_forgotten_entity_never_returns_from_a_replay(events, at, entity_id):
    store = MemoryStore(capacity=100)
    read(store, events, ())
    store.forget_entity(ANNA, entity_id, at)
    before = content(store)
    read(store, events, (3, 5))
    assert content(store) == before
    assert entity_id not in {state.entity_id for state in store.entities(ANNA)}


@some
@given(logs())
def test_what_one_tenant_does_changes_nothing_of_another(events):
    together, alone = MemoryStore(capacity=CAPACITY), MemoryStore(capacity=CAPACITY)
    together.apply(events)
    together.forget_user(ANNA, days(0))
    alone.apply([event for event in events if event.user.tenant == TWIN.tenant])
    assert content(together, [TWIN]) == content(alone, [TWIN])


@some
@given(logs(), sizes, st.integers(1, 5))
def test_a_store_never_holds_more_than_its_bound_and_lists_the_heaviest_first(events, cuts, capacity):
    store = MemoryStore(capacity=capacity)
    for batch, position in batches(events, cuts):
        store.apply(batch, position)
        for user in USERS:
            ranks = [state.rank for state in store.entities(user)]
            assert len(ranks) <= capacity
            assert ranks == sorted(ranks, reverse=True)


@some
@given(logs())
def test_an_event_evicts_the_weakest_evidence_whether_liked_or_rejected(events):
    bounded = MemoryStore(capacity=3)
    for event in once(events):
        states = {state.entity_id: state for state in bounded.entities(event.user)}
        for seen in event.observations:
            held = states.get(seen.entity_id)
            states[seen.entity_id] = held.observed(seen) if held else EntityState.first(seen)
        strongest = sorted(states.values(), key=lambda state: (-abs(state.rank), state.entity_id))[:3]
        bounded.apply([event])
        assert {state.entity_id for state in bounded.entities(event.user)} == {each.entity_id for each in strongest}


@pytest.mark.parametrize("count", [10, 5_000])
def test_reading_costs_the_same_for_old_and_new_users(count):
    """Counted in steps of SQLite's machine, not in seconds."""
    with sqlite_store() as (store, _):
        seen = [projected(str(number), f"e{number}", at=days(number)) for number in range(count)]
        assert store.apply(seen) == Applied(new=count)
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        with store._connections.read() as connection:
            connection.set_progress_handler(step, 1)
        store.entities(ANNA)
        store.profile(ANNA)
        assert steps < 400
