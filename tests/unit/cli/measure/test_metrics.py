"""nDCG against values worked out by hand, and its bounds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.embeddings.evaluation.ranking import ndcg

GRADES = {"a": 3, "b": 1, "c": 0}


def test_the_ideal_order_has_1() -> None:
    assert ndcg(["a", "b", "c"], GRADES) == 1


def test_a_known_value() -> None:
    ideal = 3 + 1 / math.log2(3)
    assert ndcg(["x", "a", "b"], GRADES) == pytest.approx((3 / math.log2(3) + 1 / 2) / ideal)


@pytest.mark.parametrize(("ranked", "grades"), [([], GRADES), (["x", "c"], GRADES), (["a"], {}), (["a"], {"a": -1})])
def test_nothing_relevant_has_0(ranked: list[str], grades: dict[str, int]) -> None:
    assert ndcg(ranked, grades) == 0


def test_only_the_first_places_count() -> None:
    assert ndcg(["x"] * 10 + ["a"], GRADES) == 0


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.dictionaries(st.sampled_from("abcdef"), st.integers(-1, 4)))
def test_it_lies_between_0_and_1(ranked: list[str], grades: dict[str, int]) -> None:
    assert 0 <= ndcg(ranked, grades) <= 1 + 1e-12
