"""Reciprocal rank fusion."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune.services.search.fusion import Fused, reciprocal_rank_fusion
from attune.services.search.index.port import Candidate

NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True)
RANKINGS = st.dictionaries(st.sampled_from(["dense", "bm25", "other"]), NAMES)


def ranking(names: str | list[str]) -> list[Candidate]:
    return [Candidate(name, 10.0 - i) for i, name in enumerate(names)]


def fuse(rankings: dict[str, list[str]], k: int = 60) -> list[Fused]:
    return reciprocal_rank_fusion({name: ranking(names) for name, names in rankings.items()}, k)


def test_a_worked_example() -> None:
    fused = reciprocal_rank_fusion({"dense": ranking("ab"), "bm25": ranking("bc")})
    assert fused == [
        Fused("b", 1 / 61 + 1 / 62, {"dense": 2, "bm25": 1}, {"dense": 9.0, "bm25": 10.0}),
        Fused("a", 1 / 61, {"dense": 1}, {"dense": 10.0}),
        Fused("c", 1 / 62, {"bm25": 2}, {"bm25": 9.0}),
    ]


@pytest.mark.parametrize("rankings", [{}, {"dense": []}, {"dense": [], "bm25": []}])
def test_nothing_found_fuses_to_nothing(rankings: dict[str, list[Candidate]]) -> None:
    assert reciprocal_rank_fusion(rankings) == []


def test_one_ranking_keeps_its_order_whatever_its_scores() -> None:
    candidates = [Candidate("z", 0.1), Candidate("a", 5.0), Candidate("m", -1.0)]
    assert [each.id for each in reciprocal_rank_fusion({"dense": candidates})] == ["z", "a", "m"]


def test_equal_scores_are_ordered_by_id() -> None:
    assert [each.id for each in fuse({"dense": ["b", "a"], "bm25": ["a", "b"]})] == ["a", "b"]
    assert [each.id for each in fuse({"dense": ["b"], "bm25": ["a"]})] == ["a", "b"]


def test_a_repeated_document_counts_where_it_comes_first() -> None:
    [a, b] = reciprocal_rank_fusion({"dense": [Candidate("a", 3), Candidate("a", 2), Candidate("b", 1)]})
    assert (a.ranks, a.scores, a.score) == ({"dense": 1}, {"dense": 3}, 1 / 61)
    assert b.ranks == {"dense": 3}


def test_a_small_k_lets_a_first_rank_win_and_a_large_one_agreement() -> None:
    rankings = {"dense": ["a", "x", "b"], "bm25": ["y", "z", "b"], "other": ["q", "r", "b"]}
    assert fuse(rankings, k=0)[0].id == "a"
    assert fuse(rankings, k=60)[0].id == "b"


def test_k_may_not_be_negative() -> None:
    with pytest.raises(ValueError, match=r"k is -1: give 0 or more \(the paper uses 60\)"):
        reciprocal_rank_fusion({"dense": ranking("a")}, -1)


@given(rankings=RANKINGS, k=st.integers(0, 1000))
def test_each_score_is_the_sum_over_the_ranks(rankings: dict[str, list[str]], k: int) -> None:
    fused = fuse(rankings, k)
    assert {each.id for each in fused} == set(itertools.chain.from_iterable(rankings.values()))
    assert len({each.id for each in fused}) == len(fused)
    for each in fused:
        assert each.ranks == {name: ids.index(each.id) + 1 for name, ids in rankings.items() if each.id in ids}
        assert each.score == pytest.approx(sum(1 / (k + rank) for rank in each.ranks.values()))
        assert each.scores.keys() == each.ranks.keys()


@given(rankings=RANKINGS)
def test_the_order_falls_by_score_then_rises_by_id(rankings: dict[str, list[str]]) -> None:
    keys = [(-each.score, each.id) for each in fuse(rankings)]
    assert keys == sorted(keys)


@given(rankings=RANKINGS)
def test_the_order_of_the_rankings_changes_nothing(rankings: dict[str, list[str]]) -> None:
    assert fuse(dict(reversed(rankings.items()))) == fuse(rankings)


@given(names=NAMES.filter(lambda names: len(names) > 1), other=NAMES)
def test_a_document_that_rises_in_a_ranking_never_falls_in_the_result(names: list[str], other: list[str]) -> None:
    risen = names[-1]
    raised = [risen, *names[:-1]]

    def place(order: list[str]) -> int:
        return [each.id for each in fuse({"dense": order, "bm25": other})].index(risen)

    assert place(raised) <= place(names)
