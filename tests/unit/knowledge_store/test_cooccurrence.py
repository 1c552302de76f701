import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import state, untimed

from attune.knowledge_store.cooccurrence import MOST_COMPANIONS, MOST_OF_A_USER, SHRINKAGE, cooccurrences, counted_of
from attune.knowledge_store.model import Companion


def test_a_pair_counts_from_k_users_on():
    users = [["a", "b"]] * 4 + [["a", "c"]] * 5 + [["c"]]
    found = cooccurrences(users, k=5)
    strength = 5 / math.sqrt(9 * 6) * 5 / (5 + SHRINKAGE)
    assert found == {
        "a": (Companion("c", 5, pytest.approx(strength, abs=1e-4)),),
        "c": (Companion("a", 5, pytest.approx(strength, abs=1e-4)),),
    }


def test_without_users_or_pairs_there_is_nothing():
    assert cooccurrences([], k=2) == {}
    assert cooccurrences([[], ["a"], []], k=2) == {}


@pytest.mark.parametrize("k", [1, 0, -3])
def test_a_single_user_is_never_told_of(k):
    with pytest.raises(ValueError, match="2 or more"):
        cooccurrences([["a", "b"]], k=k)


@given(users=st.lists(st.sets(st.sampled_from("abcdef")), max_size=20), k=st.integers(2, 4))
@untimed
def test_companions_are_what_counting_pairs_one_by_one_gives(users, k):
    found = cooccurrences([sorted(user) for user in users], k)
    pairs = {
        frozenset(pair): count
        for pair in combinations("abcdef", 2)
        if (count := sum(set(pair) <= user for user in users)) >= k
    }
    assert {
        frozenset((a, each.entity_id)): each.users for a, companions in found.items() for each in companions
    } == pairs
    for companions in found.values():
        assert [(-each.strength, each.entity_id) for each in companions] == sorted(
            (-each.strength, each.entity_id) for each in companions
        )
        assert all(0 < each.strength < 1 for each in companions)


def test_an_entity_keeps_its_strongest_companions():
    users = [["hub", f"e{number:03}"] for number in range(100) for _ in range(number % 3 + 2)]
    (companions,) = (found for entity, found in cooccurrences(users, k=2).items() if entity == "hub")
    assert len(companions) == MOST_COMPANIONS
    assert {each.users for each in companions} == {4}


def test_of_a_user_the_heaviest_count_and_nothing_rejected():
    states = [state(f"e{number:02}", weight=number) for number in range(-1, 40)]
    assert counted_of(states) == [f"e{number:02}" for number in range(39, 39 - MOST_OF_A_USER, -1)]
    assert counted_of([state("a", weight=-1.0), state("b", weight=0.0)]) == []
