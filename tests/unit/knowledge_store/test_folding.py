from dataclasses import replace
from datetime import timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import days, moments, observation, state, untimed

from attune.knowledge_store.folding import fold
from attune.knowledge_store.model import RECENT_HALF_LIFE, EntityState, EventKind, Observation
from attune.knowledge_store.redirects import Merge, Redirects

REDIRECTS = Redirects([Merge("a", "b"), Merge("b", "c")])

observations = st.builds(
    observation,
    st.sampled_from("abcd"),
    moments(),
    st.sampled_from((1.0, 0.5, 0.37, -1.0)),
    st.sampled_from((EventKind.QUERY, EventKind.CLICK)),
)


def states_of(seen: list[Observation]) -> list[EntityState]:
    """What a store has after these observations."""
    by_entity: dict[str, list[Observation]] = {}
    for each in seen:
        by_entity.setdefault(each.entity_id, []).append(each)
    return [reduce(EntityState.observed, rest, EntityState.first(one)) for one, *rest in by_entity.values()]


@untimed
@given(st.lists(observations))
def test_a_folded_state_is_that_of_one_who_saw_only_the_target(seen):
    expected = states_of([replace(each, entity_id=REDIRECTS.resolve(each.entity_id)) for each in seen])
    found = {each.entity_id: each for each in fold(states_of(seen), REDIRECTS)}
    assert len(found) == len(expected)
    for each in expected:
        folded = found[each.entity_id]
        assert (folded.counts, folded.first_seen, folded.last_seen) == (each.counts, each.first_seen, each.last_seen)
        assert folded.weight == pytest.approx(each.weight, rel=1e-9, abs=1e-9)
        assert folded.recent == pytest.approx(each.recent, rel=1e-9, abs=1e-9)


@untimed
@given(st.lists(observations))
def test_without_merges_the_states_stay_bit_for_bit_in_the_order_of_a_store(seen):
    states = states_of(seen)
    assert fold(states, Redirects()) == sorted(states, key=lambda each: (-each.rank, each.entity_id))


def test_a_single_state_of_a_merged_entity_goes_by_the_targets_id():
    [found] = fold([state("a", count=3)], REDIRECTS)
    assert found == state("c", count=3)


def test_the_older_state_decays_to_the_newer():
    [found] = fold([state("c", weight=2, last_seen=days(30)), state("a", count=2, weight=2)], REDIRECTS)
    expected = state("c", count=3, weight=3, first_seen=days(0), last_seen=days(30))
    recent = 2 + 2 * 0.5 ** (timedelta(days=30) / RECENT_HALF_LIFE)
    assert found == replace(expected, recent=pytest.approx(recent))
