"""Consents, summaries and companions: what every engine of the knowledge store must do alike with them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import ANNA, BEN, LOG, START, TWIN, days, projected

from attune.knowledge_store.consent import MOST_CHOICES, NO_CHOICE, Choice, Consents, Purpose
from attune.knowledge_store.model import Companion, LogPosition, Summary
from attune.knowledge_store.store import Store, StoreError
from attune.knowledge_store.store_model import Applied

FIRST = Summary("At the moment: a.", 1, 1, days(1), "store")
NO_LEARNING = Choice(days(1), Purpose.LEARNING, False)
LEARNING = Choice(days(3), Purpose.LEARNING, True)
few = settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


def names(store: Store) -> list[str]:
    return [state.entity_id for state in store.entities(ANNA)]


def test_nobody_has_chosen_anything_at_first(store):
    assert store.consents([ANNA]) == {}
    assert store.consent_default
    assert all(store.allows(ANNA, purpose) for purpose in Purpose)
    assert store.summary(ANNA) is None
    assert store.companions("acme", ["a"]) == {}


def test_a_store_may_allow_nothing_unless_it_is_chosen(open_store):
    store = open_store(consent_default=False)
    assert not store.consent_default
    assert not any(store.allows(ANNA, purpose) for purpose in Purpose)
    store.consent(ANNA, [LEARNING])
    assert store.allows(ANNA, Purpose.LEARNING)
    assert not store.allows(ANNA, Purpose.RANKING)
    assert store.apply([projected("1", "a", at=days(2)), projected("2", "b", at=days(4))]) == Applied(new=1, withheld=1)
    assert names(store) == ["b"]


@pytest.mark.parametrize(
    ("occurred", "logged", "is_learned"),
    [
        (0, 0, True),
        (1, 1, False),
        (0, 2, False),
        (2, 2, False),
        (2, 3, False),
        (3, 3, True),
        (0, 4, True),
        (2, 0, True),  # of a clock that is ahead: it may have been learned before the withdrawal
    ],
)
def test_nothing_is_learned_of_a_time_without_consent(store, occurred, logged, is_learned):
    store.consent(ANNA, [NO_LEARNING])
    store.consent(ANNA, [LEARNING])
    applied = store.apply([projected("1", "a", at=days(occurred), logged_at=days(logged))])
    assert applied == (Applied(new=1) if is_learned else Applied(withheld=1))
    assert names(store) == (["a"] if is_learned else [])
    assert store.profile(ANNA).events == int(is_learned)


def test_what_is_withheld_leaves_no_trace_and_what_was_there_stays(store):
    store.apply([projected("1", "a")])
    store.consent(ANNA, [NO_LEARNING])
    before = list(store.export(ANNA))
    assert store.apply([projected("2", "b", at=days(2)), projected("2", "b", at=days(2), user=BEN)]) == Applied(
        1, 0, 0, 1
    )
    assert list(store.export(ANNA)) == before
    assert [(each["purpose"], each["granted"]) for each in before if each["record"] == "consent"] == [
        ("learning", False)
    ]


@given(choices=st.permutations([NO_LEARNING, LEARNING, Choice(days(9), Purpose.RANKING, False)]))
@few
def test_choices_come_in_any_order(open_store, choices):
    store = open_store()
    for choice in choices:
        store.consent(ANNA, [choice])
    assert store.consents([ANNA, BEN, TWIN]) == {ANNA: Consents.of(choices)}
    assert store.allows(ANNA, Purpose.LEARNING)
    assert not store.allows(ANNA, Purpose.RANKING)
    assert store.allows(TWIN, Purpose.RANKING)


def test_forgetting_leaves_what_a_user_allows(store):
    store.consent(ANNA, [NO_LEARNING])
    store.forget_user(ANNA, days(2))
    assert store.apply([projected("1", "a", at=days(5))]) == Applied(withheld=1)


def test_choices_that_a_log_tells_are_taken_with_its_position(store):
    store.restore_consents([(ANNA, [NO_LEARNING]), (ANNA, [LEARNING]), (BEN, [NO_LEARNING])], LogPosition(LOG, 2, 9))
    assert store.position(LOG, 2) == 9
    assert store.consents([ANNA])[ANNA].choices == (NO_LEARNING, LEARNING)
    assert not store.allows(BEN, Purpose.LEARNING)


def test_a_summary_is_kept_until_the_next(store):
    store.apply([projected("1", "a")])
    assert store.put_summary(ANNA, FIRST, ["a"])
    assert store.summary(ANNA) == FIRST
    second = Summary("é \ud800", 2, 3, days(2), "model")
    assert store.put_summary(ANNA, second, [])
    assert store.summary(ANNA) == second
    assert store.summary(TWIN) is None
    assert next(each for each in store.export(ANNA) if each["record"] == "summary")["version"] == 2


@pytest.mark.parametrize("version", [1, 2])
def test_a_summary_takes_the_place_of_older_ones_only(store, version):
    """Two processes may be at it at once: the second to finish began with what was there before the first."""
    store.apply([projected("1", "a")])
    held = Summary("Also: a.", 2, 1, days(2), "store")
    assert store.put_summary(ANNA, held, ["a"])
    assert not store.put_summary(ANNA, Summary("late", version, 9, days(3), "model"), ["a"])
    assert store.summary(ANNA) == held
    store.forget_user(ANNA, days(4))
    store.apply([projected("2", "a", at=days(5))])
    assert store.put_summary(ANNA, FIRST, ["a"])  # of a user who begins anew, so do the versions


def test_a_summary_goes_with_its_user_its_entities_and_its_consent(store):
    def summarised() -> None:
        store.apply([projected(f"{number}", "a", "b", at=days(50)) for number in range(3)])
        assert store.put_summary(ANNA, FIRST, ["b"])

    summarised()
    assert store.forget_entity(ANNA, "c", days(1))["summaries"] == 1
    assert store.summary(ANNA) is None
    summarised()
    store.consent(ANNA, [Choice(days(1), Purpose.RANKING, False)])
    assert store.summary(ANNA) == FIRST
    store.consent(ANNA, [Choice(days(1), Purpose.SUMMARY, False)])
    assert store.summary(ANNA) is None
    assert not store.put_summary(ANNA, FIRST, ["b"])
    store.consent(ANNA, [Choice(days(2), Purpose.SUMMARY, True)])
    summarised()
    store.apply([projected("old", "d", at=days(3))])
    assert store.expire(days(4)).entities == 1
    assert store.summary(ANNA) is None
    summarised()
    assert store.forget_user(ANNA, days(1))["summaries"] == 1
    assert store.summary(ANNA) is None


def test_a_summary_that_comes_after_a_forgetting_is_not_kept(store):
    store.apply([projected("1", "a", "b")])
    store.forget_entity(ANNA, "a", days(1))
    assert not store.put_summary(ANNA, FIRST, ["a", "b"])
    assert store.put_summary(ANNA, FIRST, ["b"])
    store.forget_user(ANNA, days(2))
    assert not store.put_summary(ANNA, FIRST, ["b"])
    assert store.summary(ANNA) is None


def test_a_summary_is_due_after_so_many_events(store):
    store.apply([projected("1", "a"), projected("2", "a"), projected("1", user=BEN), projected("1", "a", user=TWIN)])
    assert list(store.due_for_summary(2)) == [ANNA, TWIN]
    assert store.put_summary(ANNA, FIRST, [])
    assert list(store.due_for_summary(2)) == [TWIN]
    store.apply([projected("3", "b")])
    assert list(store.due_for_summary(2)) == [ANNA, TWIN]
    store.consent(ANNA, [Choice(START, Purpose.SUMMARY, False)])
    assert list(store.due_for_summary(2)) == [TWIN]


def test_users_are_counted_who_allow_it(store):
    store.apply([projected("1", "a"), projected("1", "a", user=BEN), projected("1", "a", user=TWIN)])
    store.consent(BEN, [Choice(START, Purpose.STATISTICS, False)])
    assert [user for user, _ in store.users_allowing(Purpose.STATISTICS)] == [ANNA, TWIN]


def test_companions_are_replaced_as_a_whole(store):
    store.replace_companions(
        "acme", {"a": [Companion("b", 9, 1 / 3), Companion("c", 5, 0.1)], "b": [Companion("a", 9, 1 / 3)]}
    )
    store.replace_companions("other", {"a": [Companion("z", 5, 0.5)]})
    assert store.companions("acme", ["a", "x"]) == {"a": [Companion("b", 9, 1 / 3), Companion("c", 5, 0.1)]}
    store.replace_companions("acme", {"é": [Companion("a", 7, 0.2)]})
    assert store.companions("acme", ["a", "b", "é"]) == {"é": [Companion("a", 7, 0.2)]}
    assert store.companions("other", ["a"]) == {"a": [Companion("z", 5, 0.5)]}
    store.retain_companions(["acme", "third"])
    assert store.companions("other", ["a"]) == {}
    assert list(store.companions("acme", ["é"])) == ["é"]


def test_a_store_with_consents_is_not_empty(store):
    store.consent(ANNA, [NO_LEARNING])
    with pytest.raises(StoreError, match="not empty"):
        store.load([])


def test_who_chooses_more_often_than_is_kept_is_heard_each_time(store):
    for day in range(MOST_CHOICES + 5):
        choice = Choice(days(day), Purpose.LEARNING, day % 3 != 0)
        logged = store.consents([ANNA]).get(ANNA, NO_CHOICE).merged([choice])  # as the log's record has it
        assert store.consent(ANNA, logged.choices) == logged
        assert store.allows(ANNA, Purpose.LEARNING) == choice.granted
