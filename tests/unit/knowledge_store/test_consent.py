from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import START, days, moments, untimed

from attune.knowledge_store.consent import MOST_CHOICES, NO_CHOICE, Choice, Consents, Purpose

choices = st.builds(Choice, moments(), st.sampled_from(Purpose), st.booleans())


def learning(day: float, granted: bool) -> Choice:
    return Choice(days(day), Purpose.LEARNING, granted)


def test_without_a_choice_the_default_counts():
    assert NO_CHOICE.allow(Purpose.RANKING, default=True)
    assert not NO_CHOICE.allow(Purpose.RANKING, default=False)
    assert not NO_CHOICE.allowed_learning(START, default=False)


def test_the_newest_choice_about_a_purpose_counts():
    made = Consents.of([Choice(days(2), Purpose.RANKING, True), Choice(days(1), Purpose.RANKING, False)])
    assert made.choices == (Choice(days(2), Purpose.RANKING, True),)
    assert made.allow(Purpose.RANKING, default=False)
    assert made.newest(Purpose.RANKING) == made.choices[0]
    assert made.newest(Purpose.LEARNING) is None


def test_learning_is_allowed_by_what_was_chosen_until_then():
    made = Consents.of([learning(1, False), learning(3, True), learning(5, False)])
    at = [made.allowed_learning(days(day), default=True) for day in (0, 1, 2, 3, 4, 5, 6)]
    assert at == [True, False, False, True, True, False, False]


def test_a_choice_needs_a_time_in_utc():
    with pytest.raises(ValueError, match="at is"):
        Choice(datetime(2026, 1, 1), Purpose.LEARNING, True)  # noqa: DTZ001 - the point


@given(made=st.lists(choices, max_size=12), split=st.integers(0, 12), data=st.data())
@untimed
def test_choices_merge_in_any_order_and_number(made, split, data):
    at_once = Consents.of(made)
    shuffled = data.draw(st.permutations(made))
    assert NO_CHOICE.merged(shuffled[:split]).merged(shuffled[split:]) == at_once
    assert at_once.merged(made) == at_once


@given(made=st.lists(choices, max_size=12), moment=moments(), default=st.booleans())
@untimed
def test_what_is_kept_says_of_every_moment_what_all_choices_said(made, moment, default):
    before = [each for each in sorted(made) if each.purpose is Purpose.LEARNING and each.at <= moment]
    expected = before[-1].granted if before else default
    assert Consents.of(made).allowed_learning(moment, default=default) == expected


def test_of_too_many_choices_the_newest_count_and_before_them_nothing_was_allowed():
    made = [learning(day, day % 2 == 0) for day in range(MOST_CHOICES + 7)]
    kept = Consents.of(made)
    assert kept.allow(Purpose.LEARNING, default=True) == made[-1].granted
    for day in range(-1, MOST_CHOICES + 9):
        at = days(day + 0.5)
        said = made[min(day, len(made) - 1)].granted
        assert kept.allowed_learning(at, default=True) == (said if day >= 7 else False)


@given(
    grants=st.lists(st.booleans(), min_size=MOST_CHOICES - 4, max_size=MOST_CHOICES + 9),
    splits=st.tuples(st.integers(0, 80), st.integers(0, 80)),
    data=st.data(),
)
@untimed
def test_however_many_choices_merge_in_any_order(grants, splits, data):
    made = [learning(day, granted) for day, granted in enumerate(grants)]
    shuffled = data.draw(st.permutations(made))
    first, second = sorted(splits)
    parts = (shuffled[:first], shuffled[first:second], shuffled[second:])
    one_by_one = NO_CHOICE
    for part in parts:
        one_by_one = one_by_one.merged(part)
    bounded_first = NO_CHOICE
    for part in parts:
        bounded_first = bounded_first.merged(Consents.of(part).choices)
    assert one_by_one == bounded_first == Consents.of(made)
    assert one_by_one.allow(Purpose.LEARNING, default=True) == grants[-1]


def test_who_chooses_again_and_again_is_heard_each_time():
    held = NO_CHOICE
    for day in range(3 * MOST_CHOICES):
        logged = held.merged([learning(day, day % 3 != 0)])
        held = held.merged(logged.choices)
        assert held.allow(Purpose.LEARNING, default=True) == (day % 3 != 0)
