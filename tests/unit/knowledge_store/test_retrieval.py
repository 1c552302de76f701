from math import log2, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import days, line, state, untimed

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.model import Companion
from attune.knowledge_store.retrieval import MOST_COMPANY, FactorName, Mode, Retrieved, retrieve

GRAPH = CatalogGraph(
    Catalog.load(
        [
            line("asyncio", near=["trio", "curio"]),
            line("trio"),
            line("curio"),
            line("anyio", near=["trio", "asyncio"]),
            line("numpy"),
        ]
    )
)
NOW = days(100)
INTEREST, CLOSENESS = FactorName.INTEREST, FactorName.CLOSENESS
ALL = list(Mode)


def by_id(states):
    return {each.entity_id: each for each in states}


def ids(states, context, *modes: Mode, limit=10) -> list[str]:
    return [found.entity_id for found in retrieve(by_id(states), GRAPH, context, NOW, modes, limit)]


def test_familiar_is_what_of_the_context_was_seen_the_heaviest_first():
    states = [
        state("asyncio", weight=1.0, last_seen=NOW),
        state("numpy", weight=9.0, last_seen=NOW),
        state("trio", last_seen=NOW, weight=3.0),
    ]
    found = retrieve(by_id(states), GRAPH, {"asyncio", "trio", "curio"}, NOW, [Mode.FAMILIAR], 10)
    assert [(one.entity_id, one.score) for one in found] == [("trio", 0.75), ("asyncio", 0.5)]


def test_without_context_familiar_is_the_users_own_top():
    states = [state("asyncio", weight=1.0, last_seen=NOW), state("gone-from-catalog", weight=9.0, last_seen=NOW)]
    assert ids(states, (), Mode.FAMILIAR) == ["gone-from-catalog", "asyncio"]


def test_recent_beats_frequent_once_the_frequent_has_decayed():
    states = [state("asyncio", 2, weight=3.0, last_seen=days(10)), state("trio", 1, weight=1.0, last_seen=days(99))]
    assert ids(states, (), Mode.FAMILIAR) == ["trio", "asyncio"]


def test_what_was_rejected_is_neither_familiar_nor_lapsed_nor_a_bridge():
    rejected = [state("asyncio", 5, weight=-1.0, last_seen=NOW), state("numpy", 5, weight=-1.0, last_seen=days(0))]
    assert ids(rejected, (), *ALL) == []


def test_unfamiliar_is_what_of_the_context_was_seen_at_most_once():
    states = [state("asyncio", 1, last_seen=NOW), state("numpy", 2, last_seen=NOW)]
    found = retrieve(by_id(states), GRAPH, {"asyncio", "numpy", "trio", "curio"}, NOW, [Mode.UNFAMILIAR], 10)
    assert [(one.entity_id, one.score, one.count) for one in found] == [
        ("trio", 1.0, 0),
        ("curio", 1.0, 0),
        ("asyncio", 0.5, 1),
    ]
    assert ids(states, (), Mode.UNFAMILIAR) == []


def test_what_was_rejected_is_not_told_as_unfamiliar():
    states = [state("asyncio", 1, weight=-1.0, last_seen=NOW), state("numpy", 1, weight=1.0, last_seen=NOW)]
    assert ids(states, {"asyncio", "numpy", "trio"}, Mode.UNFAMILIAR) == ["trio", "numpy"]


@pytest.mark.parametrize(
    ("count", "last_seen", "is_lapsed"),
    [(3, 86, True), (3, 86.01, False), (2, 0, False), (30, 0, True), (3, 200, False)],
)
def test_lapsed_was_seen_often_and_not_for_two_weeks(count, last_seen, is_lapsed):
    states = [state("numpy", count, weight=3.0, last_seen=days(last_seen))]
    assert ids(states, (), Mode.LAPSED) == ids(states, {"numpy"}, Mode.LAPSED) == (["numpy"] if is_lapsed else [])
    assert ids(states, (), Mode.FAMILIAR) == ([] if is_lapsed else ["numpy"])
    assert ids(states, {"trio"}, Mode.LAPSED) == []


def test_lapsed_scores_by_the_weight_of_the_time():
    states = [state("numpy", 3, weight=1.0, last_seen=days(80)), state("trio", 3, weight=3.0, last_seen=days(0))]
    found = retrieve(by_id(states), GRAPH, (), NOW, [Mode.LAPSED], 10)
    assert [(one.entity_id, one.score) for one in found] == [("trio", 0.75), ("numpy", 0.5)]
    assert found[0].weight < found[0].score


def test_neighbours_are_unknown_and_name_the_known_one_beside_them():
    states = [state("asyncio", weight=3.0, last_seen=NOW), state("anyio", weight=1.0, last_seen=NOW)]
    found = retrieve(by_id(states), GRAPH, (), NOW, [Mode.NEIGHBOUR], 10)
    assert found == [
        Retrieved("curio", Mode.NEIGHBOUR, ((INTEREST, 0.75), (CLOSENESS, 0.5)), via="asyncio"),
        Retrieved("trio", Mode.NEIGHBOUR, ((INTEREST, 0.75), (CLOSENESS, 1 / (1 + log2(3)))), via="asyncio"),
    ]


def test_a_context_keeps_the_neighbours_that_it_touches():
    states = [state("asyncio", last_seen=NOW), state("numpy", last_seen=NOW)]
    assert ids(states, {"curio"}, Mode.NEIGHBOUR) == ["curio"]
    assert ids(states, {"asyncio"}, Mode.NEIGHBOUR) == ["curio", "trio", "anyio"]
    assert ids(states, {"numpy"}, Mode.NEIGHBOUR) == []
    assert ids(states, {"not in the catalog"}, Mode.NEIGHBOUR) == []


def test_of_equally_known_neighbours_the_first_by_id_is_named():
    states = [state("asyncio", last_seen=NOW), state("anyio", last_seen=NOW)]
    found = retrieve(by_id(states), GRAPH, {"trio"}, NOW, [Mode.NEIGHBOUR], 10)
    assert [one.via for one in found] == ["anyio"]


def test_the_limit_is_per_mode_and_the_modes_keep_their_order():
    states = [state("asyncio", last_seen=NOW), state("numpy", last_seen=NOW)]
    found = retrieve(
        by_id(states), GRAPH, {"asyncio", "numpy", "trio", "curio"}, NOW, [Mode.UNFAMILIAR, Mode.FAMILIAR], 1
    )
    assert [(one.entity_id, one.mode) for one in found] == [("trio", Mode.UNFAMILIAR), ("asyncio", Mode.FAMILIAR)]


def test_a_user_without_a_store_gets_the_context_as_unfamiliar():
    assert [(one.entity_id, one.mode) for one in retrieve({}, GRAPH, {"trio"}, NOW, ALL, 5)] == [
        ("trio", Mode.UNFAMILIAR)
    ]
    assert retrieve({}, GRAPH, (), NOW, ALL, 5) == []


def company(**companions: tuple[str, int, float]):
    """The store's look-up, with one companion each, and what was asked of it."""
    asked = []

    def look_up(entity_ids):
        asked.append(list(entity_ids))
        return {each: [Companion(*companions[each])] for each in entity_ids if each in companions}

    return look_up, asked


def test_users_who_care_about_both_lead_to_a_neighbour_that_no_edge_leads_to():
    look_up, _ = company(numpy=("scipy", 7, 0.25), asyncio=("numpy", 9, 0.5))
    states = by_id([state("numpy", weight=3.0, last_seen=NOW), state("asyncio", weight=1.0, last_seen=NOW)])
    factors = ((INTEREST, 0.75), (FactorName.COMPANY, 0.25))
    (scipy,) = [each for each in retrieve(states, GRAPH, (), NOW, [Mode.NEIGHBOUR], 9, look_up) if each.via_users]
    assert scipy == Retrieved("scipy", Mode.NEIGHBOUR, factors, via="numpy", via_users=7)
    assert scipy.score == 0.75 * 0.25


def test_of_an_edge_and_company_the_better_leads():
    states = by_id([state("asyncio", weight=3.0, last_seen=NOW)])
    for strength, users in ((0.9, 5), (0.1, 0)):
        look_up, _ = company(asyncio=("trio", 5, strength))
        (trio,) = [
            each for each in retrieve(states, GRAPH, (), NOW, [Mode.NEIGHBOUR], 9, look_up) if each.entity_id == "trio"
        ]
        assert trio.via_users == users


def test_what_the_context_names_is_led_to_by_what_the_user_knows():
    look_up, _ = company(scipy=("numpy", 6, 0.5))
    states = by_id([state("numpy", weight=3.0, last_seen=NOW)])
    (found,) = retrieve(states, GRAPH, {"scipy"}, NOW, [Mode.NEIGHBOUR], 9, look_up)
    assert (found.entity_id, found.via, found.via_users) == ("scipy", "numpy", 6)
    rejected = by_id([state("numpy", weight=-3.0, last_seen=NOW)])
    assert retrieve(rejected, GRAPH, {"scipy"}, NOW, [Mode.NEIGHBOUR], 9, look_up) == []


NAMES = ("asyncio", "trio", "curio", "anyio", "numpy", "scipy")


@given(
    st.dictionaries(st.sampled_from(NAMES), st.floats(-2.0, 3.0)),
    st.frozensets(st.sampled_from(NAMES), min_size=1),
    st.dictionaries(st.sampled_from(NAMES), st.tuples(st.sampled_from(NAMES), st.integers(5, 9), st.floats(0.01, 0.9))),
)
def test_of_the_context_alone_is_what_of_all_the_context_names(weights, context, companions):
    states = by_id([state(each, weight=weight, last_seen=NOW) for each, weight in weights.items()])
    look_up, _ = company(**companions)
    every = retrieve(states, GRAPH, context, NOW, ALL, 100, look_up)
    alone = retrieve(states, GRAPH, context, NOW, ALL, 100, look_up, context_only=True)
    assert alone == [each for each in every if each.entity_id in context]


def test_of_no_context_there_is_nothing_that_it_alone_names():
    assert retrieve(by_id([state("asyncio", last_seen=NOW)]), GRAPH, (), NOW, ALL, 9, context_only=True) == []


def test_companions_are_looked_up_once_and_of_few():
    look_up, asked = company()
    states = by_id([state(f"e{number:03}", weight=1.0 + number, last_seen=NOW) for number in range(200)])
    retrieve(states, GRAPH, (), NOW, ALL, 10, look_up)
    assert asked == [[f"e{number:03}" for number in range(199, 199 - MOST_COMPANY, -1)]]


@given(
    weights=st.dictionaries(st.sampled_from("abcdef"), st.floats(-5, 5), max_size=6),
    context=st.sets(st.sampled_from("abcdefgh")),
)
@untimed
def test_the_factors_are_the_whole_score(weights, context):
    look_up, _ = company(a=("g", 5, 0.3), b=("h", 8, 0.7))
    states = by_id([state(entity_id, 3, weight, days(99)) for entity_id, weight in weights.items()])
    for found in retrieve(states, GRAPH, context, NOW, ALL, 10, look_up):
        assert found.score == prod(value for _, value in found.factors)
        assert found.factors
        assert all(0 <= value <= 1 for _, value in found.factors)


@given(
    edges=st.lists(st.tuples(st.sampled_from(range(12)), st.sampled_from(range(12))), max_size=40),
    weights=st.dictionaries(st.sampled_from(range(12)), st.sampled_from((0.5, 1.0, 2.0, -1.0)), max_size=5),
    context=st.sets(st.sampled_from(range(12)), max_size=3),
)
@untimed
def test_a_limit_leaves_out_the_last_neighbours_only(edges, weights, context):
    targets = {node: [str(b) for a, b in edges if a == node] for node in range(12)}
    graph = CatalogGraph(Catalog.load([line(str(node), near=targets[node]) for node in range(12)]))
    states = by_id([state(str(node), 3, weight, NOW) for node, weight in weights.items()])

    def neighbours(limit: int) -> list[Retrieved]:
        return retrieve(states, graph, {str(node) for node in context}, NOW, [Mode.NEIGHBOUR], limit)

    everything = neighbours(100)
    for limit in range(1, 6):
        assert neighbours(limit) == everything[:limit]
