"""What is kept of what a user has read and said: the newest, each thing by its newest event."""

from datetime import timedelta
from itertools import permutations

import pytest
from tests.unit.knowledge_store.builders import days

from attune.knowledge_store.history import (
    MOST_READINGS,
    MOST_STATEMENTS,
    History,
    Noted,
    Trace,
    drop_about,
    note_reading,
    note_statement,
)


def readings(*noted: Noted) -> dict[str, Trace]:
    held: dict[str, Trace] = {}
    for each in noted:
        note_reading(held, each)
    return held


def used(*noted: Noted) -> list[str]:
    return [each.text for each in History.of(readings(*noted), {}).readings]


def test_the_newest_come_first_and_each_document_once():
    assert used(Noted("a", days(1)), Noted("b", days(2)), Noted("a", days(3)), Noted("c", days(2))) == [
        "a",
        "b",
        "c",
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_newest_event_of_a_document_counts_in_whichever_order_they_arrive(order):
    events = [Noted("a", days(1)), Noted("a", days(2), is_rejected=True), Noted("a", days(1.5))]
    assert used(*(events[place] for place in order)) == []
    assert used(*(events[place] for place in order), Noted("a", days(3))) == ["a"]


def test_of_the_same_minute_the_rejection_counts():
    assert used(Noted("a", days(1) + timedelta(seconds=9)), Noted("a", days(1), is_rejected=True)) == []
    assert used(Noted("a", days(1), is_rejected=True), Noted("a", days(1))) == []


def test_only_the_newest_are_kept():
    noted = [Noted(f"d{number}", days(number)) for number in range(MOST_READINGS + 2)]
    assert readings(*noted).keys() == readings(*reversed(noted)).keys() == {each.text for each in noted[2:]}
    held: dict[str, Trace] = {}
    for number in range(MOST_STATEMENTS + 1):
        note_statement(held, Noted(f"I am {number}", days(number)))
    assert len(held) == MOST_STATEMENTS
    assert "I am 0" not in held


def test_a_statement_that_is_taken_back_leaves_no_word():
    held: dict[str, Trace] = {}
    note_statement(held, Noted("I smoke.", days(2)))
    note_statement(held, Noted("I smoke.", days(1), is_rejected=True))
    assert list(held) == ["I smoke."]
    note_statement(held, Noted("I smoke.", days(3), is_rejected=True))
    assert held == {}


def test_what_is_about_an_entity_can_be_dropped_and_its_name_is_not_kept():
    held = readings(Noted("d1", days(1), entity_ids=("cats", "dogs")), Noted("d2", days(1), entity_ids=("dogs",)))
    assert "cats" not in repr(held)
    assert drop_about(held, "cats") == 1
    assert drop_about(held, "birds") == 0
    assert list(held) == ["d2"]
