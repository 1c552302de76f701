from datetime import datetime, timedelta

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


def test_of_too_many_choices_the_shortest_grants_go_so_that_nothing_more_is_learned():
    made = [learning(day, day % 2 == 1) for day in range(2 * MOST_CHOICES)]
    made.append(Choice(days(10.5), Purpose.LEARNING, True))
    made.append(Choice(days(10.6), Purpose.LEARNING, False))
    kept = Consents.of(made)
    assert len(kept.choices) <= MOST_CHOICES
    assert not kept.allowed_learning(days(10.55), default=True)
    moments_between = [START + timedelta(days=day / 4) for day in range(8 * MOST_CHOICES)]
    everything = Consents(tuple(sorted(made)))
    assert all(
        everything.allowed_learning(moment, default=True)
        for moment in moments_between
        if kept.allowed_learning(moment, default=True)
    )
    assert kept.choices[-1] == learning(2 * MOST_CHOICES - 1, True)
