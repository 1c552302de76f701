"""What every engine of the knowledge store must do alike."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier

import pytest
from tests.unit.knowledge_store.builders import ANNA, BEN, START, TWIN, content, days, projected

from attune.knowledge_store.consent import Choice, Purpose
from attune.knowledge_store.model import EventKind, LinkedEntity, LogPosition, Observation, Source, UserKey
from attune.knowledge_store.store import Store, StoreError
from attune.knowledge_store.store_model import (
    Applied,
    EntityCursor,
    LoggedObject,
    Profile,
    Projected,
    Removal,
    Suppressed,
)

NO_HISTORY = {"readings": 0, "statements": 0, "summaries": 0}


def names(store: Store, user: UserKey = ANNA) -> list[str]:
    return [state.entity_id for state in store.entities(user)]


def interrupted(*events: object) -> Iterator[object]:
    """A batch whose reading breaks off, as a crash in the middle of a transaction would."""
    yield from events
    raise ConnectionError("the line dropped")


def test_an_empty_store_knows_nothing(store):
    assert store.entities(ANNA) == []
    assert store.entity_page(ANNA, None, 10) == []
    assert store.profile(ANNA) == Profile()
    assert store.position("log", 0) == 0
    assert store.objects("acme", ["d1"]) == {}


def test_observations_become_states(store):
    store.apply([projected("1", "a", "b", at=days(0)), projected("2", "a", at=days(30), weight=0.5)])
    a, b = store.entities(ANNA)
    assert (a.entity_id, a.count, a.first_seen, a.last_seen, a.weight) == ("a", 2, days(0), days(30), 1.0)
    assert a.recent == 0.5 + 0.5**10  # half-lives of 30 days and of 3
    assert (b.entity_id, b.counts, b.weight) == ("b", {(EventKind.QUERY, Source.QUERY): 1}, 1.0)


def test_a_removed_suggestion_is_kept_with_its_kind_and_its_weight(store):
    seen = Observation("a", EventKind.SUGGESTION_REMOVED, Source.SUGGESTION, days(0), -0.5)
    removed = Projected("2", ANNA, days(0), days(0), (seen,))
    store.apply([projected("1", "a"), removed, removed])
    (a,) = store.entities(ANNA)
    counts = {(EventKind.QUERY, Source.QUERY): 1, (EventKind.SUGGESTION_REMOVED, Source.SUGGESTION): 1}
    assert (a.counts, a.weight, a.recent) == (counts, 0.5, 0.5)
    (told,) = [record for record in store.export(ANNA) if record["record"] == "entity"]
    assert told["counts"] == {"query/query": 1, "suggestion_removed/suggestion": 1}


def test_times_keep_their_microseconds_and_any_century(store):
    moments = [datetime(1970, 1, 1, 0, 0, 0, 1, UTC), datetime(2090, 12, 31, 23, 59, 59, 999_999, UTC)]
    store.apply([projected(str(number), f"e{number}", at=at) for number, at in enumerate(moments)])
    assert {state.entity_id: state.last_seen for state in store.entities(ANNA)} == {"e0": moments[0], "e1": moments[1]}
    assert store.profile(ANNA) == Profile(2, 2, moments[0], moments[1])


def test_a_batch_is_told_what_became_of_it(store):
    store.forget_user(BEN, days(1))
    batch = [projected("1", "a"), projected("1", "a"), projected("2"), projected("3", "a", user=BEN, at=days(1))]
    assert store.apply(batch) == Applied(new=2, duplicates=1, forgotten=1)
    assert store.apply(batch) == Applied(new=0, duplicates=3, forgotten=1)
    assert store.apply([]) == Applied()
    assert store.profile(ANNA).events == 2


def test_an_event_counts_once_per_user(store):
    batch = [projected("1", "a"), projected("1", "b", user=BEN), projected("1", "c", user=TWIN), projected("1", "d")]
    assert store.apply(batch) == Applied(new=3, duplicates=1)
    assert store.apply(batch) == Applied(duplicates=4)
    assert [names(store, user) for user in (ANNA, BEN, TWIN)] == [["a"], ["b"], ["c"]]
    assert store.forget_user(BEN, days(1))["events"] == 1
    assert store.apply(batch) == Applied(duplicates=3, forgotten=1)


def test_the_tombstones_of_many_users_are_told_at_once(store):
    store.apply([projected("1", "a", user=BEN)])
    store.forget_user(ANNA, days(1))
    store.forget_entity(BEN, "a", days(2))
    assert store.forgotten([ANNA, BEN, TWIN]) == {ANNA: days(1)}
    assert store.forgotten([]) == {}


def test_a_new_store_takes_what_a_log_says_was_removed(store):
    removals = [
        Removal(ANNA, days(5)),
        Removal(BEN, days(5), "a"),
        Removal(BEN, days(5), suppressed=Suppressed((b"x" * 32,), days(4))),
    ]
    store.restore(removals, LogPosition("removals", 0, 3))
    assert store.position("removals", 0) == 3
    assert store.profile(ANNA) == Profile(forgotten_at=days(5))
    assert store.suppressed(BEN) == Suppressed((b"x" * 32,), days(4))
    old = [projected("1", "a", "b", user=user, at=days(5)) for user in (ANNA, BEN)]
    new = [projected("2", "a", user=user, at=days(6)) for user in (ANNA, BEN)]
    assert store.apply([*old, *new]) == Applied(new=3, forgotten=1)
    assert [names(store, user) for user in (ANNA, BEN)] == [["a"], ["a", "b"]]
    assert store.entities(BEN)[0].count == 1


def restore_removals(store: Store, users: list[UserKey]) -> None:
    store.restore([Removal(user, days(5)) for user in users], LogPosition("removals", 0, 1))


def restore_consents(store: Store, users: list[UserKey]) -> None:
    choices = [Choice(days(5), Purpose.LEARNING, False)]
    store.restore_consents([(user, choices) for user in users], LogPosition("consents", 0, 1))


def apply(store: Store, users: list[UserKey]) -> None:
    store.apply([projected("1", "a", user=user) for user in users])


@pytest.mark.parametrize("first", [restore_removals, restore_consents])
@pytest.mark.parametrize("second", [restore_removals, restore_consents, apply])
def test_who_tells_of_the_same_users_in_other_orders_does_not_wait_in_a_circle(store, first, second):
    users = [UserKey("acme", f"u{number}") for number in range(40)]
    together = Barrier(2)

    def begin(act: Callable[[Store, list[UserKey]], None], ordered: list[UserKey]) -> None:
        together.wait(10)
        act(store, ordered)

    with ThreadPoolExecutor(2) as pool:
        for ended in [pool.submit(begin, first, users), pool.submit(begin, second, users[::-1])]:
            ended.result()


def test_removals_that_a_store_knows_leave_what_the_user_did_since(store):
    removals = [Removal(ANNA, days(1)), Removal(ANNA, days(2), "a"), Removal(ANNA, days(2), suppressed=Suppressed())]
    store.forget_user(ANNA, days(1))
    store.forget_entity(ANNA, "a", days(2))
    store.apply([projected("1", "a", "b", at=days(3))])
    before = content(store)
    store.restore(removals, LogPosition("removals", 0, 3))
    assert content(store) == before
    assert names(store) == ["a", "b"]


def test_parts_that_were_removed_before_their_user_are_not_kept(store):
    parts = [Removal(ANNA, days(1), "secret"), Removal(ANNA, days(1), suppressed=Suppressed((b"x" * 32,)))]
    for order in ([Removal(ANNA, days(2)), *parts], [*parts, Removal(ANNA, days(2))]):
        store.restore(order, LogPosition("removals", 0, 3))
        assert [record["record"] for record in store.export(ANNA)] == ["profile"]


def test_a_removal_that_was_logged_and_not_done_is_done(store):
    store.apply([projected("1", "a", "b"), projected("2", "a", "b", user=BEN)])
    store.restore([Removal(ANNA, days(1)), Removal(BEN, days(1), "a")], LogPosition("removals", 0, 2))
    assert (names(store), names(store, BEN)) == ([], ["b"])
    assert store.profile(ANNA) == Profile(forgotten_at=days(1))


def test_removals_that_break_off_leave_no_trace(store):
    store.apply([projected("1", "a")])
    before = content(store)
    with pytest.raises(ConnectionError):
        store.restore(interrupted(Removal(ANNA, days(1))), LogPosition("removals", 0, 1))
    assert content(store) == before
    assert store.position("removals", 0) == 0


def test_a_removal_needs_a_time_in_utc():
    with pytest.raises(ValueError, match=r"^at is "):
        Removal(ANNA, START.replace(tzinfo=None))


def test_users_of_different_tenants_and_odd_names_stay_apart(store):
    users = [UserKey("a", "bc"), UserKey("ab", "c"), UserKey("a", "b/c"), UserKey("a/b", "c"), UserKey("a", "b\0c")]
    for user in users:
        store.apply([projected("1" + user.user, "of:" + user.tenant + user.user, user=user)])
    store.forget_user(users[0], days(1))
    assert [names(store, user) for user in users] == [[], ["of:abc"], ["of:ab/c"], ["of:a/bc"], ["of:ab\0c"]]
    assert store.profile(users[1]).forgotten_at is None


def test_positions_are_per_log_and_partition_and_never_move_back(store):
    store.apply([], LogPosition("log", 0, 7))
    store.apply([], LogPosition("log", 1, 3))
    store.apply([], LogPosition("log", 0, 5))
    assert [store.position("log", 0), store.position("log", 1), store.position("other", 0)] == [7, 3, 0]


def test_a_batch_that_breaks_off_leaves_no_trace_and_can_be_sent_again(store):
    store.apply([projected("0", "kept")], LogPosition("interactions", 0, 1))
    before = content(store)
    with pytest.raises(ConnectionError):
        store.apply(interrupted(projected("1", "a"), projected("2", "b", user=BEN)), LogPosition("interactions", 0, 3))
    assert content(store) == before
    assert store.apply([projected("1", "a"), projected("2", "b", user=BEN)]) == Applied(new=2)


def test_a_store_is_bounded_by_evicting_the_lightest(open_store):
    store = open_store(capacity=3)
    store.apply([projected("1", "old", at=days(0), weight=1.5), projected("2", "a", "b", "c", at=days(60))])
    assert names(store) == ["a", "b", "c"]
    store.apply([projected("3", "d", at=days(60))])
    assert names(store) == ["a", "b", "c"]
    store.apply([projected("4", "d", at=days(60), weight=2.0)])
    assert names(store) == ["d", "a", "b"]
    store.apply([projected("5", "aa", at=days(60))])
    assert names(store) == ["d", "a", "aa"]
    assert store.profile(ANNA).entities == 3


def test_a_strong_rejection_outlives_what_is_liked_less(open_store):
    store = open_store(capacity=2)
    store.apply([projected("1", "liked", "faint", weight=1.0), projected("2", "rejected", weight=-5.0)])
    assert names(store) == ["faint", "rejected"]
    store.apply([projected("3", "rejected less", weight=-0.5)])
    assert names(store) == ["faint", "rejected"]
    store.apply([projected("4", "rejected too", weight=-2.0)])
    assert names(store) == ["rejected too", "rejected"]


def test_of_evidence_that_is_equal_either_way_the_later_id_is_evicted(open_store):
    store = open_store(capacity=1)
    store.apply([projected("1", "b"), projected("2", "a", weight=-1.0)])
    assert names(store) == ["a"]
    store.apply([projected("3", "b")])
    assert names(store) == ["a"]


def test_what_was_liked_and_rejected_alike_is_evicted_first(open_store):
    store = open_store(capacity=2)
    store.apply([projected("1", "a", "b"), projected("2", "a", weight=-1.0), projected("3", "c", weight=-0.5)])
    assert names(store) == ["b", "c"]


def test_the_bound_is_512_unless_said_otherwise(store):
    store.apply([projected(str(number), f"e{number}", at=days(number)) for number in range(600)])
    assert len(store.entities(ANNA)) == 512
    assert store.entities(ANNA)[-1].entity_id == "e88"


def test_pages_follow_the_weight_and_then_the_id(store):
    heavy = [
        projected(f"{name}{weight}", name, weight=weight) for name, weight in (("x", 3.0), ("y", 1.0), ("z", -1.0))
    ]
    store.apply([*heavy, projected("1", "b", "a", "c")])
    everything = store.entities(ANNA)
    assert [state.entity_id for state in everything] == ["x", "a", "b", "c", "y", "z"]
    paged, cursor = [], None
    while page := store.entity_page(ANNA, cursor, 2):
        assert len(page) <= 2
        paged += page
        cursor = EntityCursor.of(page[-1])
    assert paged == everything


def test_ids_sort_by_code_point_wherever_they_tie(store):
    ids = ["Z", "a", "a\0b", "é", "Ā", "\uffff", "🇩🇴", "a b", "/m/0"]
    store.apply([projected("1", *ids)])
    assert names(store) == sorted(ids)


def test_a_page_goes_on_where_it_ended_though_the_store_has_changed(store):
    store.apply([projected("1", "a", "b", "c", "d", "e")])
    cursor = EntityCursor.of(store.entity_page(ANNA, None, 2)[-1])
    store.forget_entity(ANNA, "b", START)
    store.apply([projected("2", "new", at=days(1)), projected("3", "a", at=days(1))])
    assert [state.entity_id for state in store.entity_page(ANNA, cursor, 10)] == ["c", "d", "e"]


def test_a_forgotten_user_is_gone_and_the_counts_say_what_went(store):
    store.apply([projected("1", "a", "b"), projected("2", "a"), projected("3", "a", user=BEN)])
    store.forget_entity(ANNA, "z", START)
    store.suppress(ANNA, [b"x" * 32], START, days(0))
    assert store.forget_user(ANNA, days(1)) == {
        "entities": 2,
        "events": 2,
        "entity_tombstones": 1,
        "profiles": 1,
        "readings": 0,
        "statements": 0,
        "suppressions": 2,
        "summaries": 0,
    }
    assert store.suppressed(ANNA) == Suppressed()
    assert names(store) == []
    assert store.profile(ANNA) == Profile(forgotten_at=days(1))
    assert names(store, BEN) == ["a"]


def test_forgetting_again_changes_nothing(store):
    store.apply([projected("1", "a")])
    store.forget_user(ANNA, days(2))
    before = content(store)
    nothing = dict.fromkeys(["entities", "events", "entity_tombstones", "profiles", "suppressions", *NO_HISTORY], 0)
    assert store.forget_user(ANNA, days(2)) == nothing
    assert store.forget_user(ANNA, days(1)) == nothing
    assert content(store) == before


def test_suppressions_add_up_and_the_end_of_the_history_never_moves_back(store):
    store.suppress(ANNA, [b"b" * 32, b"a" * 32], START)
    store.suppress(ANNA, [b"a" * 32], START, days(2))
    store.suppress(ANNA, [], START, days(1))
    assert store.suppressed(ANNA) == Suppressed((b"a" * 32, b"b" * 32), days(2))
    assert store.suppressed(BEN) == Suppressed()
    assert [record for record in store.export(ANNA) if record["record"].startswith("suppressed")] == [
        {"record": "suppressed_suggestion", "fingerprint": (b"a" * 32).hex()},
        {"record": "suppressed_suggestion", "fingerprint": (b"b" * 32).hex()},
        {"record": "suppressed_history", "until": days(2).isoformat()},
    ]


@pytest.mark.parametrize(
    ("occurred", "logged", "is_taken"),
    [(9, 9, False), (10, 10, False), (9, 11, False), (11, 9, False), (10, 11, False), (11, 11, True)],
)
def test_only_what_happens_and_is_logged_after_forgetting_counts(store, occurred, logged, is_taken):
    store.forget_user(ANNA, days(10))
    event = projected("1", "a", at=days(occurred), logged_at=days(logged))
    assert store.apply([event]) == (Applied(new=1) if is_taken else Applied(forgotten=1))
    assert names(store) == (["a"] if is_taken else [])


@pytest.mark.parametrize("clock", [days(-5), days(0), days(400)])
def test_what_was_erased_stays_erased_whatever_the_callers_clock_says(store, clock):
    events = [projected(str(number), "a", at=days(number)) for number in range(5)]
    store.apply(events)
    store.forget_user(ANNA, clock)
    assert store.apply(events) == Applied(forgotten=5)
    assert names(store) == []


def test_a_copy_that_was_logged_later_stays_out_too(store):
    event, copy = (projected("1", "a", at=days(9), logged_at=days(day)) for day in (1, 3))
    store.apply([event, copy])
    store.forget_user(ANNA, days(2))
    assert store.apply([event, copy]) == Applied(forgotten=2)


def test_what_was_suppressed_before_the_user_was_forgotten_comes_too_late(store):
    store.forget_user(ANNA, days(1))
    store.suppress(ANNA, [b"a" * 32], days(1), days(1))
    assert store.suppressed(ANNA) == Suppressed()
    store.suppress(ANNA, [b"b" * 32], days(2))
    assert store.suppressed(ANNA) == Suppressed((b"b" * 32,), None)


def test_a_forgotten_entity_stays_forgotten_while_the_rest_goes_on(store):
    store.apply([projected("1", "a", "b", at=days(0))])
    assert store.forget_entity(ANNA, "a", days(1)) == {**NO_HISTORY, "entities": 1}
    assert store.forget_entity(ANNA, "a", days(1)) == {**NO_HISTORY, "entities": 0}
    late = projected("2", "a", "c", at=days(0.5), logged_at=days(9))
    assert store.apply([projected("1", "a", "b", at=days(0)), late]) == Applied(new=1, duplicates=1)
    assert names(store) == ["c", "b"]
    store.apply([projected("3", "a", at=days(2))])
    assert store.entities(ANNA)[0].count == 1


def test_it_is_known_until_when_entities_were_forgotten(store):
    store.apply([projected("1", "a", at=days(5))])
    store.forget_entity(ANNA, "a", days(1))
    store.forget_entity(ANNA, "z", days(6))
    assert store.forgotten_entities(ANNA) == {"a": days(5), "z": days(6)}
    store.forget_user(ANNA, days(5))
    assert (store.forgotten_entities(ANNA), store.forgotten_entities(BEN)) == ({"z": days(6)}, {})


def test_an_entity_of_who_is_forgotten_until_later_needs_no_tombstone(store):
    store.forget_user(ANNA, days(3))
    store.forget_entity(ANNA, "a", days(2))
    assert store.forgotten_entities(ANNA) == {}


def test_a_later_entity_tombstone_outlives_an_earlier_one_of_the_user(store):
    store.forget_entity(ANNA, "a", days(9))
    store.forget_user(ANNA, days(3))
    store.apply([projected("1", "a", "b", at=days(5))])
    assert names(store) == ["b"]


def test_to_forget_an_entity_concerns_what_is_said_of_it_under_another_id(store):
    store.forget_entity(ANNA, "a", days(5))
    said = [(day, replace(projected(str(day), "b", at=days(day)).observations[0], other_ids=("a",))) for day in (5, 6)]
    events = [Projected(str(day), ANNA, days(day), days(day), (seen,)) for day, seen in said]
    assert store.apply(events) == Applied(new=2)
    assert [(each.entity_id, each.count, each.first_seen) for each in store.entities(ANNA)] == [("b", 1, days(6))]


def test_forgetting_needs_a_time_in_utc_and_a_named_entity(store):
    with pytest.raises(ValueError, match=r"^at is "):
        store.forget_user(ANNA, START.replace(tzinfo=None))
    with pytest.raises(ValueError, match=r"^entity_id is empty"):
        store.forget_entity(ANNA, "", START)


def test_objects_are_remembered_per_tenant_in_order(store):
    linked = [LinkedEntity("b", 1.0), LinkedEntity("a", 1 / 3)]
    store.remember_objects("acme", {"d1": linked, "d2": []})
    store.remember_objects("other", {"d1": [LinkedEntity("x", 1.0)]})
    assert store.objects("acme", ["d1", "d2", "d3", "d1"]) == {"d1": linked, "d2": []}
    store.remember_objects("acme", {"d1": linked[:1]})
    assert store.objects("acme", ["d1"]) == {"d1": linked[:1]}
    assert store.forget_objects("acme", ["d1", "d3"]) == 1
    assert store.forget_objects("acme", []) == 0
    assert store.objects("acme", ["d1"]) == {}
    assert store.objects("other", ["d1"]) == {"d1": [LinkedEntity("x", 1.0)]}


A, B, X = (LinkedEntity("a", 1.0), LinkedEntity("b", 1 / 3)), (LinkedEntity("b", 1.0),), (LinkedEntity("x", 0.5),)


def test_what_a_log_says_of_documents_is_taken_with_its_position_and_the_newest_counts(store):
    store.remember_objects("acme", {"of no log": X, "gone": X})
    said = [
        LoggedObject(0, "acme", "d1", B),
        LoggedObject(1, "acme", "d2", A),
        LoggedObject(2, "other", "d1", X),
        LoggedObject(3, "acme", "gone", None),
        LoggedObject(5, "acme", "d1", A),
        LoggedObject(6, "acme", "d2", None),
        LoggedObject(7, "acme", "d3", None),
        LoggedObject(8, "acme", "d3", ()),
    ]
    store.restore_objects(said, LogPosition("log", 2, 9))
    assert store.position("log", 2) == 9
    assert [(each.tenant, each.object_id, each.linked) for each in store.every_object()] == [
        ("acme", "d1", A),
        ("acme", "d3", ()),
        ("acme", "of no log", X),
        ("other", "d1", X),
    ]


def test_a_reader_that_comes_late_with_old_records_brings_nothing_back(store):
    store.restore_objects(
        [LoggedObject(0, "acme", "d1", B), LoggedObject(1, "acme", "d1", A)], LogPosition("log", 0, 2)
    )
    store.restore_objects(
        [LoggedObject(1, "acme", "d2", None), LoggedObject(2, "acme", "d2", X)], LogPosition("log", 0, 3)
    )
    late = [LoggedObject(0, "acme", "d1", B), LoggedObject(2, "acme", "d2", None), LoggedObject(3, "acme", "d3", B)]
    store.restore_objects(late[:2], LogPosition("log", 0, 2))
    assert store.position("log", 0) == 3
    store.restore_objects(late, LogPosition("log", 0, 4))
    assert store.objects("acme", ["d1", "d2", "d3"]) == {"d1": list(A), "d2": list(X), "d3": list(B)}
    store.restore_objects([LoggedObject(0, "acme", "d1", None)], LogPosition("log", 1, 1))  # of another partition
    assert store.objects("acme", ["d1"]) == {}


class Overtaken(list[LoggedObject]):
    """Records at whose reading, within the transaction, `other` gets its chance to be done before."""

    def __init__(self, records: list[LoggedObject], other: Callable[[], Future[None]]) -> None:
        super().__init__(records)
        self._other = other

    def __iter__(self) -> Iterator[LoggedObject]:
        wait([self._other()], timeout=0.3)  # it cannot be done where it must wait for this transaction
        return super().__iter__()


def test_of_two_that_read_a_partition_at_once_the_slower_one_does_not_win(store):
    old, new = LoggedObject(0, "acme", "d1", B), LoggedObject(1, "acme", "d1", A)
    with ThreadPoolExecutor() as readers:
        read_on = partial(readers.submit, store.restore_objects, [old, new], LogPosition("log", 0, 2))
        store.restore_objects(Overtaken([old], read_on), LogPosition("log", 0, 1))
    assert store.objects("acme", ["d1"]) == {"d1": list(A)}
    assert store.position("log", 0) == 2


def test_a_document_of_a_log_needs_both_ids():
    with pytest.raises(ValueError, match=r"^tenant is empty"):
        LoggedObject(0, "", "d1", A)
    with pytest.raises(ValueError, match=r"^object_id is empty"):
        LoggedObject(0, "acme", "", None)


def test_the_export_holds_all_that_is_kept_of_a_user(store):
    store.apply([projected("1", "a", "b", at=days(0)), projected("2", "b", at=days(0)), projected("3", "c", user=BEN)])
    store.forget_entity(ANNA, "z", days(3))
    profile, first, second, forgotten = store.export(ANNA)
    assert profile == {
        "record": "profile",
        "format": 4,
        "tenant": "acme",
        "user": "anna",
        "events": 2,
        "entities": 2,
        "first_seen": "2026-01-01T00:00:00+00:00",
        "last_seen": "2026-01-01T00:00:00+00:00",
        "forgotten_at": None,
    }
    assert first == {
        "record": "entity",
        "entity_id": "b",
        "counts": {"query/query": 2},
        "first_seen": "2026-01-01T00:00:00+00:00",
        "last_seen": "2026-01-01T00:00:00+00:00",
        "weight": 2.0,
        "recent": 2.0,
    }
    assert second["entity_id"] == "a"
    assert forgotten == {"record": "forgotten_entity", "entity_id": "z", "forgotten_at": "2026-01-04T00:00:00+00:00"}


def test_an_export_is_of_the_moment_it_was_asked_for(store):
    store.apply([projected("1", "a")])
    records = store.export(ANNA)
    store.forget_user(ANNA, days(1))
    assert [record["record"] for record in records] == ["profile", "entity"]


def test_threads_lose_nothing_to_each_other(store):
    def write(thread: int) -> None:
        for number in range(20):
            store.apply(
                [projected(f"{thread}-{number}", "shared", f"own{thread}")], LogPosition("log", thread, number + 1)
            )
            assert store.profile(ANNA).events > 0

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert {state.entity_id: state.count for state in store.entities(ANNA)}["shared"] == 80
    assert store.profile(ANNA).events == 80
    assert [store.position("log", thread) for thread in range(4)] == [20] * 4


def test_a_reader_sees_whole_batches_only(store):
    def write() -> None:
        for number in range(100):
            store.apply([projected(f"{number}-{half}", "a") for half in "xy"])

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            assert store.profile(ANNA).events % 2 == 0
            assert all(state.count % 2 == 0 for state in store.entities(ANNA))
        writing.result()


def test_what_was_returned_cannot_change_the_store(store):
    store.apply([projected("1", "a")])
    store.remember_objects("acme", {"d": [LinkedEntity("a", 1.0)]})
    store.entities(ANNA).clear()
    store.objects("acme", ["d"])["d"].clear()
    assert names(store) == ["a"]
    assert store.objects("acme", ["d"]) == {"d": [LinkedEntity("a", 1.0)]}


def test_weights_of_any_size_are_kept_to_the_bit(store):
    weights = [5e-324, 1e300, -1e300, math.pi, -math.pi, 1 / 3]
    store.apply([projected(str(number), f"e{number}", weight=weight) for number, weight in enumerate(weights)])
    assert sorted(state.weight for state in store.entities(ANNA)) == sorted(weights)


def test_weights_that_cancel_out_or_decay_away_are_zero(store):
    store.apply([projected("1", "a"), projected("2", "a", weight=-1.0), projected("3", "b", at=days(-365 * 2000))])
    store.apply([replace(projected("4", "b", weight=0.0), logged_at=START + timedelta(days=1))])
    assert [(state.entity_id, state.weight) for state in store.entities(ANNA)] == [("a", 0.0), ("b", 0.0)]


def test_a_closed_store_says_so_and_may_be_closed_again(store):
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed: open "):
        store.apply([projected("1", "a")])
    with pytest.raises(StoreError, match="is closed: open "):
        store.entities(ANNA)


def test_whole_records_are_kept_in_place_of_what_there_was(store):
    store.apply([projected("1", "a", user=BEN), projected("1", "b"), projected("2", "c")])
    record = next(record for user, record in store.users() if user == ANNA)
    store.put_users([(BEN, record), (TWIN, record)])
    assert names(store, BEN) == names(store, TWIN) == ["b", "c"]
    assert store.profile(BEN).events == 2
    assert store.apply([projected("1", "z", user=BEN), projected("3", "d", user=TWIN)]) == Applied(new=1, duplicates=1)
    assert names(store) == ["b", "c"]
