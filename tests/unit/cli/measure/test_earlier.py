"""What was asked until a moment, in memory: it tells what a count of the same queries tells, one user left out."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.suggestion.queries.asking import MANY, asked, counted

from attune.services.cli.measure.earlier import Earlier
from attune.services.suggestion.queries.asked import Asked
from attune.services.suggestion.queries.model import Counted, QueryStatistics

WORDS = ["sql", "sql join", "join table", "task group", "group"]
ENTITIES = {"sql": "Q1", "group": "Q2"}


def named(text: str) -> list[str]:
    return [entity_id for word, entity_id in ENTITIES.items() if word in text.split()]


def told(log: Sequence[Asked], user: str, least: int) -> QueryStatistics:
    earlier = Earlier(named)
    for each in sorted(log, key=lambda each: each.at):
        earlier.add(each.user.user, each.text, each.at.timestamp())
    return earlier.without(user, least)


def facts(found: Sequence[Counted]) -> set[tuple[str, int, tuple[str, ...]]]:
    return {(each.text, each.users, each.entity_ids) for each in found}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(asked, st.sampled_from("abcdef"), st.sampled_from(WORDS), st.integers(0, 90))))
def test_it_tells_what_a_count_of_the_others_tells(drawn: list[Asked]) -> None:
    log = list({(each.user, each.at): each for each in drawn}.values())  # a moment has no order
    of_others = [each for each in log if each.user.user != "a"]
    ours = told(log, "a", 2)
    with tempfile.TemporaryDirectory() as directory:
        theirs = counted(Path(directory), of_others, 2, link=named)
        assert ours.total == theirs.total
        for text in WORDS:
            assert ours.users_of(text.upper()) == theirs.users_of(text)
            assert facts(ours.next_after(text, MANY)) == facts(theirs.next_after(text, MANY))
            for limit in (1, 2, MANY):
                assert list(ours.beginning(text[:3], limit)) == list(theirs.beginning(text[:3], limit))
                assert list(ours.containing(text.split(), limit)) == list(theirs.containing(text.split(), limit))
        for entity_ids in (["Q1"], ["Q2", "Q1"], ["Q3"]):
            assert list(ours.naming(entity_ids, MANY)) == list(theirs.naming(entity_ids, MANY))
        assert list(ours.beginning("", 3)) == list(theirs.beginning("", 3))


@pytest.mark.parametrize(("user", "users"), [("a", 0), ("b", 0), ("c", 2)])
def test_who_asks_is_none_of_the_others(user: str, users: int) -> None:
    log = [asked("a", "x y"), asked("b", "X  Y", 1), asked("b", "z", 2), asked("a", "z", 3)]
    assert told(log, user, 2).users_of("x y") == users
    assert [each.text for each in told(log, user, 2).next_after("x y", 5)] == ["z"] * bool(users)


def test_what_comes_after_half_an_hour_does_not_follow() -> None:
    log = [asked("a", "x"), asked("a", "y", 30), asked("b", "x"), asked("b", "y", 30.1), asked("c", "x")]
    assert facts(told(log, "c", 1).next_after("x", 5)) == {("y", 1, ())}


def test_texts_are_one_query_where_the_log_is_told_so() -> None:
    earlier = Earlier(fold=str.strip)
    for user, text in (("a", " X"), ("b", "X "), ("c", "x")):
        earlier.add(user, text, 0)
    assert earlier.shared == {"X"}
    assert earlier.without("z", 1).users_of(" X ") == 2
