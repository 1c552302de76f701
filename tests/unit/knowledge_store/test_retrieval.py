from math import log2

import pytest
from tests.unit.knowledge_store.builders import days, line, state

from attune.knowledge_store.catalog import Catalog
from attune.knowledge_store.graph import CatalogGraph
from attune.knowledge_store.retrieval import Mode, Retrieved, retrieve

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
        Retrieved("curio", Mode.NEIGHBOUR, 0.75 / 2, via="asyncio"),
        Retrieved("trio", Mode.NEIGHBOUR, 0.75 / (1 + log2(3)), via="asyncio"),
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
