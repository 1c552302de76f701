import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.knowledge_store.builders import untimed
from tests.unit.knowledge_store.importing.dump import item, nothing, statement

from attune.knowledge_store.importing.subclasses import subclasses_of


def lines(*items: str) -> list[tuple[int, bytes]]:
    return [(number, f"{each},".encode()) for number, each in enumerate(("[", *items, "]"), start=1)]


def subclass(entity_id: str, *superclasses: str) -> str:
    return item(entity_id, {"en": entity_id}, claims={"P279": [statement(each) for each in superclasses]})


def found(classes: list[str], *items: str) -> set[int]:
    ids = subclasses_of(classes, lines(*items))
    numbers = {number for number in range(100) if f"Q{number}" in ids}
    assert len(ids) == len(numbers)
    return numbers


def test_subclasses_of_subclasses_count_wherever_they_stand():
    chain = [subclass("Q4", "Q3"), subclass("Q2", "Q1"), subclass("Q3", "Q2", "Q50"), subclass("Q9", "Q8")]
    assert found(["Q1"], *chain) == {2, 3, 4}
    assert found(["Q3", "Q8"], *chain) == {4, 9}
    assert found(["Q4"], *chain) == set()


def test_a_circle_of_classes_ends():
    circle = [subclass("Q1", "Q2"), subclass("Q2", "Q1"), subclass("Q3", "Q3", "Q1")]
    assert found(["Q1"], *circle) == {2, 3}


def test_only_statements_of_the_best_rank_that_name_an_item_count():
    claims = {"P279": [statement("Q1"), statement("Q5", "preferred"), nothing()], "P31": [statement("Q6")]}
    line = item("Q2", {"en": "two"}, claims=claims)
    assert (found(["Q5"], line), found(["Q1"], line), found(["Q6"], line)) == ({2}, set(), set())


@pytest.mark.parametrize("classes", [[], ["Q1"], ["P31"], ["", "nonsense"]])
def test_a_dump_without_classes_tells_none(classes):
    assert found(classes) == set()
    assert found(classes, item("Q7", {"en": "seven"}, claims={"P31": [statement("Q1")]})) == set()


@pytest.mark.parametrize(
    "line",
    ['{"P279"', '{"claims": {"P279": 3}}', '["P279"]', json.dumps({"id": "Q0", "claims": {"P279": [statement("Q1")]}})],
)
def test_a_bad_line_tells_nothing_and_harms_no_other(line):
    assert found(["Q1"], line, subclass("Q2", "Q1")) == {2}


@untimed
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=20), st.sets(st.integers(1, 12), max_size=3)
)
def test_they_are_all_that_lead_to_a_class(edges, classes):
    reached = set(classes)
    while more := {below for below, above in edges if above in reached} - reached:
        reached |= more
    dump = [subclass(f"Q{below}", f"Q{above}") for below, above in edges]
    assert found([f"Q{each}" for each in classes], *dump) == reached - classes
